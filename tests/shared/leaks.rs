//! What is left when handles are dropped and processes killed.

use std::fs;

use parproc::{Process, Shared, SharedArray, SharedCell, SharedPart, parallel};
use parproc_tests::{in_time, program, role, settled, succeeds};

/// Descriptors of this process for memory without a name.
fn memory_files() -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter(|link| link.to_string_lossy().contains("memfd:"))
        .count()
}

#[parallel]
fn use_all(array: SharedArray<u64>, cell: SharedCell<u8>, value: Shared<str>) -> usize {
    array.set(0, u64::from(cell.load())).unwrap();
    value.len()
}

#[parallel]
fn hold(part: SharedPart<u64>, cell: SharedCell<u8>) {
    cell.store(1);
    loop {
        std::hint::black_box(&part);
    }
}

/// In a program of its own, since other tests share things at the same time.
#[test]
fn nothing_is_left_of_what_was_dropped_or_whose_holders_were_killed() {
    const TEST: &str = "leaks::nothing_is_left_of_what_was_dropped_or_whose_holders_were_killed";
    if role().is_none() {
        succeeds(&mut program(TEST, "sharer"));
        return;
    }
    in_time(|| {
        let before = parproc::shared::stats();
        assert_eq!(before.objects, 0);
        let mut files = None;
        for _ in 0..3 {
            let pool = parproc::Pool::builder().workers(2).build().unwrap();
            let array = SharedArray::new(10).unwrap();
            let cell = SharedCell::new(7).unwrap();
            let value: Shared<str> = Shared::new("text").unwrap();
            assert_eq!(parproc::shared::stats().objects, 3);
            let items = (0..10).map(|_| (array.clone(), cell.clone(), value.clone()));
            pool.for_each(use_all, items).unwrap();
            cell.store(0);
            let part = array.split(1).unwrap().remove(0);
            let holder = Process::spawn(hold, (part, cell.clone())).unwrap();
            while cell.load() == 0 {
                std::thread::yield_now();
            }
            holder.kill();
            holder.join().unwrap_err();
            assert_eq!(array.outstanding_parts(), 0);
            drop((array, cell, value));
            assert_eq!(settled(&before, parproc::shared::stats), before);
            drop(pool);
            // What processes are started with stays, from the first one on.
            let files = *files.get_or_insert_with(memory_files);
            assert_eq!(settled(&files, memory_files), files);
        }
    });
}

//! Processes that are killed anywhere while they change what others use.

use std::time::{Duration, Instant};

use parproc::{Process, SharedArray, SharedCell, SharedPart, parallel};
use parproc_tests::within;

const LIMIT: Duration = Duration::from_secs(300);

/// How many processes are killed in each test.
fn rounds() -> u64 {
    let rounds = std::env::var("PARPROC_TEST_ROUNDS");
    rounds.map_or(40, |rounds| rounds.parse().unwrap())
}

fn seed() -> u64 {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    seed
}

/// Lets a process run for a random time, and kills it.
fn kill_soon<R>(process: &Process<R>, begun: &SharedCell<u32>, number: u32) {
    while begun.load() < number {
        std::thread::yield_now();
    }
    let delay = Duration::from_micros(fastrand::u64(..300));
    let start = Instant::now();
    while start.elapsed() < delay {
        std::hint::spin_loop();
    }
    process.kill();
}

#[parallel]
fn update(cell: SharedCell<[u64; 50]>, done: SharedCell<u64>, begun: SharedCell<u32>) {
    begun.fetch_add(1);
    loop {
        cell.update(|words| words.map(|word| word + 1));
        done.fetch_add(1);
    }
}

#[test]
fn a_large_cell_is_whole_and_loses_nothing_when_its_writers_are_killed() {
    within(LIMIT, || {
        seed();
        let cell = SharedCell::new([0; 50]).unwrap();
        let done = SharedCell::new(0).unwrap();
        let begun = SharedCell::new(0).unwrap();
        for round in 1..=rounds() {
            let arguments = (cell.clone(), done.clone(), begun.clone());
            let process = Process::spawn(update, arguments).unwrap();
            kill_soon(&process, &begun, round as u32);
            let value = cell.load();
            assert!(value.iter().all(|word| *word == value[0]), "{value:?}");
            cell.update(|words| words.map(|word| word + 1));
            done.fetch_add(1);
        }
        let (value, done) = (cell.load()[0], done.load());
        assert!(done <= value && value <= done + rounds(), "{done} {value}");
    });
}

/// Keeps both elements the same, under the lock.
#[parallel]
fn write_both(array: SharedArray<u64>, begun: SharedCell<u32>) {
    begun.fetch_add(1);
    loop {
        change_both(&array);
    }
}

/// Counts both elements up, and says whether it had to repair them.
fn change_both(array: &SharedArray<u64>) -> bool {
    let result = array.lock();
    let poisoned = result.is_err();
    let mut guard = match result {
        Ok(guard) => guard,
        Err(error) => error.recover().unwrap(),
    };
    if poisoned {
        guard[1] = guard[0];
        array.clear_poison();
    }
    assert_eq!(guard[0], guard[1]);
    for index in 0..2 {
        guard[index] = std::hint::black_box(guard[index] + 1);
    }
    poisoned
}

#[test]
fn the_lock_of_an_array_goes_on_when_its_holders_are_killed() {
    within(LIMIT, || {
        seed();
        let array = SharedArray::new(2).unwrap();
        let begun = SharedCell::new(0).unwrap();
        let mut repaired = 0;
        for round in 1..=rounds() {
            let process = Process::spawn(write_both, (array.clone(), begun.clone())).unwrap();
            kill_soon(&process, &begun, round as u32);
            repaired += u32::from(change_both(&array));
        }
        println!("{repaired} were killed in the middle");
    });
}

#[parallel]
fn count(array: SharedArray<u64>, begun: SharedCell<u32>) {
    begun.fetch_add(1);
    loop {
        for index in 0..array.len() {
            array.fetch_add(index, 1).unwrap();
        }
    }
}

#[test]
fn readers_that_are_killed_keep_nobody_from_the_lock() {
    within(LIMIT, || {
        seed();
        let array = SharedArray::new(3).unwrap();
        let begun = SharedCell::new(0).unwrap();
        for round in 1..=rounds() {
            let process = Process::spawn(count, (array.clone(), begun.clone())).unwrap();
            kill_soon(&process, &begun, round as u32);
            let guard = array.lock().unwrap();
            assert!(guard[0] >= guard[2] && guard[0] - guard[2] <= round);
        }
    });
}

#[parallel]
fn work(part: SharedPart<u64>, begun: SharedCell<u32>, forget: bool) -> Option<SharedPart<u64>> {
    begun.fetch_add(1);
    let mut part = part;
    for _ in 0..fastrand::u32(..1000) {
        for word in part.iter_mut() {
            *word = std::hint::black_box(*word + 1);
        }
    }
    (!forget).then_some(part)
}

#[test]
fn parts_come_back_from_processes_that_are_killed() {
    within(LIMIT, || {
        seed();
        let array = SharedArray::<u64>::new(40).unwrap();
        let begun = SharedCell::new(0).unwrap();
        let mut number = 0;
        for _ in 0..rounds() {
            let parts = array.split(2).unwrap();
            let spawn = |part| {
                let arguments = (part, begun.clone(), fastrand::bool());
                Process::spawn(work, arguments).unwrap()
            };
            let processes: Vec<_> = parts.into_iter().map(spawn).collect();
            // Some are killed before they have their part, some while, some after.
            for process in processes {
                number += 1;
                match fastrand::u32(..4) {
                    0 => process.kill(),
                    1 => drop(process.join()),
                    _ => kill_soon(&process, &begun, begun.load().min(number)),
                }
            }
            array.reclaim();
            array
                .wait_for_parts_timeout(Duration::from_secs(60))
                .unwrap();
            array.clear_poison();
            array.lock().unwrap().fill(0);
        }
    });
}

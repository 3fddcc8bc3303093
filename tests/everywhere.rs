//! Values that nobody can change are where the items are that name them; what processes write together, and large
//! values, go as far as they can. All of it holds for local workers and for those of a launch.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::parent_id;
use std::process::id;
use std::sync::OnceLock;
use std::time::Duration;

use parproc::{Pool, Shared, SharedArray, SharedCell, parallel};
use parproc_tests::{LIMIT, Tally, is_launched, note, pool, settled, within};

/// Bytes of different values, which are no whole number of pieces.
fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| random.u8(..)).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

#[parallel]
fn sums(bytes: Shared<[u8]>, text: Shared<str>, list: Shared<Vec<String>>) -> (u64, usize, usize) {
    (sum(&bytes), text.len(), list.len())
}

#[test]
fn workers_of_all_nodes_read_the_same_values() {
    let lens = [0, 1, 5_000, 100_000, (1 << 20) - 1, 7_654_321];
    let pool = pool(4);
    for len in lens {
        let bytes = pattern(len, 7);
        let shared = Shared::from_slice(&bytes).unwrap();
        let text: Shared<str> = Shared::new("x".repeat(len)).unwrap();
        let list = Shared::new(vec!["a".to_owned(); len / 1000]).unwrap();
        let items = (0..8).map(|_| (shared.clone(), text.clone(), list.clone()));
        let all = pool.job(sums).chunk_size(1).map(items).unwrap();
        assert_eq!(all, [(sum(&bytes), len, len / 1000); 8]);
    }
}

#[parallel]
fn parent(bytes: Shared<[u8]>, pause: u64) -> (usize, u32) {
    std::thread::sleep(std::time::Duration::from_millis(pause));
    (bytes.len(), parent_id())
}

#[test]
fn items_that_name_a_value_run_on_nodes() {
    let bytes = Shared::from_slice(&[1, 2, 3]).unwrap();
    let items = (0..40).map(|_| (bytes.clone(), 20));
    let all = pool(4).job(parent).chunk_size(1).map(items).unwrap();
    assert!(all.iter().all(|(len, _)| *len == 3));
    let parents: BTreeSet<_> = all.iter().map(|(_, parent)| *parent).collect();
    if is_launched() {
        assert!(parents.iter().any(|parent| *parent != id()), "{parents:?}");
    } else {
        assert_eq!(parents, BTreeSet::from([id()]));
    }
}

/// How often the parent of this worker has so many bytes of shared memory mapped, and its id.
#[parallel]
fn mapped(len: usize, pause: u64) -> (u32, usize) {
    std::thread::sleep(std::time::Duration::from_millis(pause));
    let parent = parent_id();
    let maps = fs::read_to_string(format!("/proc/{parent}/maps")).unwrap();
    let memory = maps
        .lines()
        .filter(|line| line.contains("/memfd:parproc") && line.contains(" r--s "));
    let lens = memory.filter_map(|line| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
        Some(end? - start?)
    });
    (parent, lens.filter(|found| *found == len).count())
}

fn mappings(pool: &Pool, len: usize) -> BTreeSet<(u32, usize)> {
    let items = (0..12).map(|_| (len, 10));
    let all = pool.job(mapped).chunk_size(1).map(items).unwrap();
    all.into_iter().collect()
}

#[test]
fn a_node_has_one_copy_until_the_program_drops_its_handle() {
    // With the header behind which the bytes begin it is a whole number of pages that nothing else has.
    const LEN: usize = 4096 * 1537;
    let pool = pool(4);
    let bytes = Shared::from_slice(&vec![3_u8; LEN - 64]).unwrap();
    for _ in 0..3 {
        let items = (0..8).map(|_| (bytes.clone(), 5));
        pool.job(parent).chunk_size(1).map(items).unwrap();
    }
    let have = mappings(&pool, LEN);
    assert!(have.iter().all(|(_, times)| *times == 1), "{have:?}");
    drop(bytes);
    let gone = |have: &BTreeSet<(u32, usize)>| have.iter().all(|(_, times)| *times == 0);
    let left = settled(&true, || gone(&mappings(&pool, LEN)));
    assert!(left, "{:?}", mappings(&pool, LEN));
}

#[parallel]
fn make(len: usize) -> Vec<Shared<[u8]>> {
    let made = Shared::from_slice(&pattern(len, 1)).unwrap();
    vec![made.clone(), made]
}

#[parallel]
fn pass(bytes: Shared<[u8]>, times: usize) -> Vec<Shared<[u8]>> {
    vec![bytes; times]
}

#[test]
fn values_come_back_from_where_they_are_made() {
    let pool = pool(3);
    let lens = [0, 10, 40_000, 3_000_000, 10, 70_000];
    let all = pool.map(make, lens).unwrap();
    for (len, made) in lens.into_iter().zip(&all) {
        assert!(*made[0] == *pattern(len, 1) && made[0].is_same(&made[1]));
    }
    // And go on to others.
    let items = all.iter().map(|made| (made[1].clone(), 3));
    for (back, made) in pool.map(pass, items).unwrap().iter().zip(&all) {
        assert!(back.iter().all(|back| back.is_same(&made[0])));
    }
    let task = pool.spawn(pass, (all[3][0].clone(), 2)).unwrap();
    assert!(task.join().unwrap()[1].is_same(&all[3][0]));
}

#[parallel]
fn maybe_an_array(index: u64, tally: String) -> (u64, Option<SharedArray<u64>>, u32) {
    note(&tally, index);
    let array = (index == 3).then(|| SharedArray::from_slice(&[index]).unwrap());
    (index, array, parent_id())
}

#[test]
fn what_cannot_leave_its_node_is_the_error_of_its_item() {
    let tally = Tally::new();
    let items = (0..8).map(|index| (index, tally.path().to_owned()));
    let pool = pool(2);
    let outcomes = pool.job(maybe_an_array).chunk_size(8).outcomes(items);
    for (index, outcome) in (0..).zip(outcomes.unwrap()) {
        match outcome {
            Ok((same, array, parent)) => {
                assert_eq!((same, array.is_some()), (index, index == 3));
                // It ran beside the program.
                assert!(parent == id() || index != 3);
            }
            Err(error) => {
                assert!(is_launched() && index == 3, "{error}");
                let said = error.to_string();
                assert!(said.contains("item 3") && said.contains("array"), "{said}");
                assert!(error.is_encode(), "{said}");
            }
        }
    }
    assert!(tally.counts().values().all(|times| *times == 1));
    assert_eq!(tally.total(), 8);
}

static KEPT: OnceLock<(Shared<[u8]>, u64)> = OnceLock::new();

#[parallel]
fn keep(bytes: Shared<[u8]>, more: Vec<u8>) {
    let _ = KEPT.set((bytes, sum(&more)));
}

#[parallel]
fn kept(_index: usize) -> (u64, u64) {
    let (bytes, more) = KEPT.get().unwrap();
    (sum(bytes), *more)
}

#[test]
fn an_init_function_gets_what_it_names_and_what_is_long() {
    let bytes = pattern(2_000_000, 3);
    let more = pattern(6_000_000, 4);
    let shared = Shared::from_slice(&bytes).unwrap();
    let builder = Pool::builder()
        .workers(3)
        .init(keep, (shared, more.clone()));
    let all = builder.build().unwrap().map(kept, 0..30).unwrap();
    assert_eq!(all, [(sum(&bytes), sum(&more)); 30]);
}

#[parallel]
fn parent_of_mapped(bytes: Shared<[u8]>, counter: SharedCell<u32>) -> (Vec<u8>, u32) {
    counter.fetch_add(1);
    (bytes.to_vec(), parent_id())
}

#[parallel]
fn parent_of_file(bytes: Shared<[u8]>) -> (Vec<u8>, u32) {
    (bytes.to_vec(), parent_id())
}

#[test]
fn items_that_name_what_others_change_run_beside_the_program() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"text").unwrap();
    // SAFETY: nobody else knows the file.
    #[expect(unsafe_code, reason = "a file is mapped")]
    let mapped = unsafe { Shared::map_file(file.path()) }.unwrap();
    let pool = pool(2);
    let all = pool.map(parent_of_file, [mapped.clone(), mapped]).unwrap();
    assert_eq!(all, vec![(b"text".to_vec(), id()); 2]);
    let (frozen, counter) = (
        Shared::from_slice(b"text").unwrap(),
        SharedCell::new(0).unwrap(),
    );
    let items = (0..9).map(|_| (frozen.clone(), counter.clone()));
    let all = pool.map(parent_of_mapped, items).unwrap();
    assert_eq!(all, vec![(b"text".to_vec(), id()); 9]);
    assert_eq!(counter.load(), 9);
}

#[parallel]
fn turn(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

#[test]
fn large_values_go_both_ways_at_once() {
    const LEN: usize = (64 << 20) + 1;
    within(4 * LIMIT, || {
        let mut bytes = pattern(LEN, 9);
        let items: Vec<_> = (0..4).map(|_| bytes.clone()).collect();
        let turned = pool(3).map(turn, items).unwrap();
        bytes.reverse();
        assert!(turned.iter().all(|turned| *turned == bytes));
    });
}

#[test]
fn what_ends_while_its_arguments_are_on_their_way_is_over() {
    within(4 * LIMIT, || {
        let pool = pool(3);
        let bytes = pattern(96 << 20, 9);
        for _ in 0..5 {
            let call = pool.job(turn).deadline(Duration::from_millis(30));
            let error = call.map(vec![bytes.clone(); 6]).unwrap_err();
            assert!(error.is_timeout(), "{error}");
            let task = pool.spawn(turn, bytes.clone()).unwrap();
            task.cancel();
            let error = task.join().unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            assert_eq!(
                pool.map(turn, [vec![1, 2], vec![3]]).unwrap(),
                [vec![2, 1], vec![3]]
            );
        }
    });
}

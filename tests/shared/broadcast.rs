//! Values that all processes read.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use parproc::{Shared, SharedArray, SharedCell, parallel};
use parproc_tests::{is_launched, pool};
use serde::{Deserialize, Deserializer, Serialize};

#[parallel]
fn element(values: Shared<[f64]>, index: usize) -> f64 {
    values[index]
}

#[parallel]
fn word(text: Shared<str>, index: usize) -> Option<String> {
    text.split(' ').nth(index).map(str::to_owned)
}

#[test]
fn slices_and_texts_are_read_in_workers() {
    let pool = pool(2);
    let values = Shared::from_slice(&[0.5, 1.5, 2.5]).unwrap();
    let items = (0..3).map(|index| (values.clone(), index));
    assert_eq!(pool.map(element, items).unwrap(), [0.5, 1.5, 2.5]);
    let text: Shared<str> = Shared::new("to be or").unwrap();
    let items = (1..4).map(|index| (text.clone(), index));
    let words = pool.map(word, items).unwrap();
    assert_eq!(words, [Some("be".to_owned()), Some("or".to_owned()), None]);
}

static DECODED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Serialize)]
struct Table(BTreeMap<String, u32>);

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        BTreeMap::deserialize(deserializer).map(Table)
    }
}

#[parallel]
fn look_up(table: Shared<Table>, key: &str) -> (Option<u32>, u32) {
    (table.0.get(key).copied(), DECODED.load(Ordering::Relaxed))
}

#[test]
fn a_worker_decodes_a_value_once() {
    let table = Table(BTreeMap::from([("one".to_owned(), 1)]));
    let table = Shared::new(table).unwrap();
    let pool = pool(1);
    for _ in 0..3 {
        let items = ["one", "two"].map(|key| (table.clone(), key));
        assert_eq!(pool.map(look_up, items).unwrap(), [(Some(1), 1), (None, 1)]);
    }
    assert_eq!(DECODED.load(Ordering::Relaxed), 0);
}

#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    name: String,
    counts: SharedArray<u32>,
    total: SharedCell<u32>,
}

#[parallel]
fn follow(plan: Shared<Plan>) -> usize {
    plan.counts.fetch_add(0, 1).unwrap();
    plan.total.fetch_add(1);
    plan.name.len()
}

#[test]
fn a_value_takes_along_what_it_names() {
    let counts = SharedArray::new(1).unwrap();
    let total = SharedCell::new(0).unwrap();
    let plan = Plan {
        name: "four".to_owned(),
        counts: counts.clone(),
        total: total.clone(),
    };
    let plan = Shared::new(plan).unwrap();
    let lens = pool(2).map(follow, (0..10).map(|_| plan.clone())).unwrap();
    assert_eq!(lens, [4; 10]);
    assert_eq!((counts.get(0).unwrap(), total.load()), (10, 10));
}

const LARGE: usize = 64 << 20;

/// Reads all of it, and gives the share of this process in what it has mapped, in bytes.
#[parallel]
fn share(bytes: Shared<[u8]>) -> (u64, u64, u32) {
    let sum = bytes.iter().map(|byte| u64::from(*byte)).sum();
    (sum, shared_memory(), std::process::id())
}

/// How much shared memory this process has mapped.
fn shared_memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss_Shmem:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<u64>().unwrap() << 10
}

#[test]
fn all_processes_together_have_one_copy() {
    let bytes = Shared::from_slice(&vec![1_u8; LARGE]).unwrap();
    assert_eq!(bytes[LARGE - 1], 1);
    let pool = pool(4);
    let items = || (0..4).map(|_| bytes.clone());
    pool.job(share).chunk_size(1).map(items()).unwrap();
    let shares = pool.job(share).chunk_size(1).map(items()).unwrap();
    let mut of_workers = BTreeMap::new();
    for (sum, bytes, worker) in shares {
        assert_eq!(sum, LARGE as u64);
        of_workers.insert(worker, bytes);
    }
    let all = of_workers.values().sum::<u64>() + shared_memory();
    // One on each machine, and each node stands for one.
    let copies = if is_launched() { 3 } else { 1 };
    let most = LARGE as u64 * copies + LARGE as u64 / 2;
    assert!(all < most, "{all} bytes, {of_workers:?}");
}

#[parallel]
fn byte(file: Shared<[u8]>, index: usize) -> u8 {
    file[index]
}

#[test]
fn workers_read_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"abc").unwrap();
    #[expect(unsafe_code, reason = "nobody else has the file")]
    // SAFETY: a temporary file, which is not changed while it is mapped.
    let mapped = unsafe { Shared::map_file(file.path()) };
    let read = Shared::read_file(file.path());
    for bytes in [mapped.unwrap(), read.unwrap()] {
        let items = (0..3).map(|index| (bytes.clone(), index));
        assert_eq!(pool(2).map(byte, items).unwrap(), b"abc");
    }
}

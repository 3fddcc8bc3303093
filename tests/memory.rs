//! Memory limits: an allocation storm of any kind ends for its item alone.

use std::hint::black_box;
use std::process::{self, Command};

use parproc::{Pool, parallel};
use parproc_tests::{in_time, pool};
use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 128 * MIB;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Storm {
    None,
    Vec,
    ManySmall,
    Mmap,
    Child,
    /// A single allocation that no machine has room for.
    Huge,
}

#[parallel]
fn allocate(storm: Storm) -> u32 {
    match storm {
        Storm::None => {}
        Storm::Vec => {
            let mut bytes = Vec::new();
            loop {
                bytes.resize(bytes.len() + (4 << 20), 1_u8);
                black_box(&mut bytes);
            }
        }
        Storm::ManySmall => {
            let mut boxes = Vec::new();
            loop {
                boxes.push(black_box(Box::new([1_u8; 100])));
            }
        }
        Storm::Mmap => loop {
            mmap_some();
        },
        Storm::Child => {
            // A shell that doubles a string for ever.
            let script = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done";
            let status = Command::new("sh").args(["-c", script]).status();
            panic!("the shell ended: {status:?}");
        }
        Storm::Huge => {
            black_box(Vec::<u8>::with_capacity(1 << 60));
        }
    }
    process::id()
}

fn mmap_some() {
    use std::os::fd::AsRawFd;
    let _ = std::io::stdin().as_raw_fd();
    let mut page = Vec::<u8>::with_capacity(32 << 20);
    page.resize(32 << 20, 1);
    std::mem::forget(black_box(page));
}

/// Uses as many bytes as it is told, at once.
#[parallel]
fn uses(bytes: u64) -> u64 {
    let block = black_box(vec![1_u8; bytes as usize]);
    // Long enough to be noticed.
    std::thread::sleep(std::time::Duration::from_millis(100));
    block.len() as u64
}

#[test]
fn every_kind_of_storm_ends_for_its_item_alone() {
    in_time(|| {
        let pool = Pool::builder()
            .workers(2)
            .memory_limit(LIMIT)
            .build()
            .unwrap();
        let storms = [
            Storm::None,
            Storm::Vec,
            Storm::None,
            Storm::ManySmall,
            Storm::Mmap,
            Storm::Child,
            Storm::Huge,
            Storm::None,
        ];
        let outcomes = pool.outcomes(allocate, storms).unwrap();
        for (storm, outcome) in storms.iter().zip(outcomes) {
            match (storm, outcome) {
                (Storm::None, outcome) => drop(outcome.unwrap()),
                (storm, Ok(_)) => panic!("{storm:?} went through"),
                (storm, Err(error)) => {
                    assert!(error.is_memory(), "{storm:?}: {error}");
                    assert_eq!(error.memory_limit(), Some(LIMIT));
                    let peak = error.peak_memory().unwrap();
                    assert!(peak > LIMIT, "{storm:?}: {error}");
                    let over = matches!(storm, Storm::Huge) || peak < 16 * LIMIT;
                    assert!(over, "{storm:?} was let go too far: {error}");
                }
            }
        }
    });
}

#[test]
fn the_limit_grows_with_the_attempts_if_asked_for() {
    in_time(|| {
        let pool = pool(1);
        let job = pool
            .job(uses)
            .memory_limit(64 * MIB)
            .memory_growth(4.0)
            .retries(3);
        let reports = job.reports([MIB, 100 * MIB]).unwrap();
        let attempts: Vec<_> = reports.iter().map(|report| report.attempts).collect();
        assert_eq!(attempts, [1, 2]);
        let job = pool.job(uses).memory_limit(64 * MIB).retries(2);
        let error = job.map([100 * MIB]).unwrap_err();
        let error = error.task().unwrap();
        assert!(error.is_memory() && error.attempt() == 3, "{error}");
    });
}

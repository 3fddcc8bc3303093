//! Calls whose results are kept in a file: what runs again, what does not, and what is refused.

#[path = "journal/interrupted.rs"]
mod interrupted;
#[path = "journal/refused.rs"]
mod refused;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use parproc::{Backoff, Pool, TryMapError, parallel, task};
use parproc_tests::{Tally, in_time, inline_pool, note, pool};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Notes that it runs.
#[parallel]
fn square(tally: &str, x: u64) -> u64 {
    note(tally, x);
    x * x
}

/// Fails at every third item when that runs for the first time, in turn in three ways.
#[parallel]
fn fails_first(tally: &str, x: u64) -> u64 {
    let ran = std::fs::read_to_string(tally).unwrap();
    let first = !ran.lines().any(|line| line == x.to_string());
    note(tally, x);
    match x % 9 {
        0 if first => process::abort(),
        3 if first => panic!("for the first time"),
        6 if first => process::exit(1),
        _ => x * x,
    }
}

#[parallel]
fn odd_is_bad(tally: &str, x: u64) -> Result<u64, String> {
    note(tally, x);
    if x % 2 == 1 {
        return Err(format!("{x} is odd"));
    }
    Ok(x)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Value {
    Nothing,
    Numbers { large: Vec<f64>, name: String },
    Bytes(Vec<u8>),
}

/// Values of all sizes; the largest do not fit into a ring.
#[parallel]
fn value(tally: &str, size: usize) -> Value {
    note(tally, size);
    match size % 3 {
        0 => Value::Nothing,
        1 => Value::Numbers {
            large: (0..size).map(|n| n as f64).collect(),
            name: "x".repeat(size / 100),
        },
        _ => Value::Bytes(vec![size as u8; size]),
    }
}

#[parallel]
fn vector(tally: &str, size: usize) -> Vec<f64> {
    note(tally, size);
    (0..size).map(|n| n as f64 / 3.0).collect()
}

#[parallel]
fn text(numbers: &[u64], word: String) -> String {
    format!("{word}{}", numbers.iter().sum::<u64>())
}

/// Its seed; fails if the marker is there, and the item is the third.
#[parallel]
fn seed_unless(marker: &str, _item: u32) -> u64 {
    let marked = std::path::Path::new(marker).exists();
    assert!(!marked || task::index() != Some(2), "it is marked");
    task::seed()
}

/// Where journals of a test are.
struct Place {
    folder: TempDir,
    tally: Tally,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            tally: Tally::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn items(&self, xs: impl IntoIterator<Item = u64>) -> Vec<(&str, u64)> {
        xs.into_iter().map(|x| (self.tally.path(), x)).collect()
    }
}

fn each_once(count: u64) -> BTreeMap<String, usize> {
    (0..count).map(|x| (x.to_string(), 1)).collect()
}

fn pools() -> Vec<Pool> {
    vec![pool(2), inline_pool()]
}

#[test]
fn every_kind_of_call_runs_nothing_twice() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let squares: Vec<_> = (0..100).map(|x| x * x).collect();
            let job = || pool.job(square).journal(place.path("j"));
            let items = || place.items(0..100);
            assert_eq!(job().map(items()).unwrap(), squares);
            assert_eq!(job().map(items()).unwrap(), squares);
            job().for_each(items()).unwrap();
            let outcomes = job().outcomes(items()).unwrap();
            assert!(
                outcomes
                    .into_iter()
                    .map(Result::unwrap)
                    .eq(squares.iter().copied())
            );
            let reports = job().reports(items()).unwrap();
            for (index, report) in reports.into_iter().enumerate() {
                assert_eq!(
                    (report.index, report.attempts, report.pid),
                    (index, 1, None)
                );
                assert_eq!(report.result.unwrap(), squares[index]);
            }
            let lazy = job().imap(items()).unwrap().map(Result::unwrap);
            assert!(lazy.eq(squares.iter().copied()));
            let mut lazy: Vec<_> = job().imap_unordered(items()).unwrap().collect();
            lazy.sort_by_key(|(index, _)| *index);
            assert!(
                lazy.into_iter()
                    .map(|(_, result)| result.unwrap())
                    .eq(squares)
            );
            assert_eq!(place.tally.counts(), each_once(100));
        }
    });
}

#[test]
fn a_lazy_call_can_begin_what_another_call_ends() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let job = || pool.job(square).journal(place.path("j"));
            let items = place.items(0..1000);
            let mut lazy = job().read_ahead(10).imap(items.iter().copied()).unwrap();
            for x in 0..200 {
                assert_eq!(lazy.next().unwrap().unwrap(), x * x);
            }
            drop(lazy);
            let begun = place.tally.counts();
            let squares = job().map(items.iter().copied()).unwrap();
            assert!(squares.into_iter().eq((0..1000).map(|x| x * x)));
            let counts = place.tally.counts();
            assert_eq!(counts.len(), 1000);
            // Those that the user had are there; a few more were on their way.
            for x in 0..200_u64 {
                assert_eq!(counts[&x.to_string()], 1, "{x}");
            }
            assert!(begun.len() <= 215, "{}", begun.len());
        }
    });
}

#[test]
fn failures_run_again_and_nothing_else_does() {
    in_time(|| {
        let place = Place::new();
        let pool = pool(2);
        let job = || pool.job(fails_first).journal(place.path("j"));
        let outcomes = job().outcomes(place.items(0..60)).unwrap();
        for (x, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.is_err(), x % 3 == 0, "{x}");
        }
        let squares = job().map(place.items(0..60)).unwrap();
        assert!(squares.into_iter().eq((0..60).map(|x| x * x)));
        for (x, count) in place.tally.counts() {
            let expected = if x.parse::<u64>().unwrap() % 3 == 0 {
                2
            } else {
                1
            };
            assert_eq!(count, expected, "{x}");
        }
    });
}

#[test]
fn the_number_of_attempts_is_kept() {
    in_time(|| {
        let place = Place::new();
        let pool = pool(2);
        for _ in 0..2 {
            let job = pool.job(fails_first).journal(place.path("j"));
            let job = job
                .retries(1)
                .backoff(Backoff::none())
                .retry_if(Result::is_err);
            for report in job.reports(place.items(0..30)).unwrap() {
                let expected = if report.index % 3 == 0 { 2 } else { 1 };
                assert_eq!(report.attempts, expected, "{}", report.index);
            }
        }
        assert_eq!(place.tally.total(), 40);
    });
}

#[test]
fn an_err_is_a_result_unless_the_caller_says_otherwise() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let job = || pool.job(odd_is_bad).journal(place.path("j"));
            for _ in 0..2 {
                let failed = job().try_map(place.items([0, 2, 5])).unwrap_err();
                let TryMapError::Item { index, error } = failed else {
                    panic!("{failed:?}");
                };
                assert_eq!((index, error), (2, "5 is odd".to_owned()));
            }
            assert_eq!(place.tally.total(), 3);

            let again = || job().retry_if(|outcome| matches!(outcome, Ok(Err(_))));
            let results = again().map(place.items([0, 2, 5])).unwrap();
            assert_eq!(results, [Ok(0), Ok(2), Err("5 is odd".to_owned())]);
            assert_eq!(place.tally.counts()["5"], 2);
            assert_eq!(place.tally.total(), 4);
            job().map(place.items([0, 2, 5])).unwrap();
            assert_eq!(place.tally.total(), 4);
        }
    });
}

#[test]
fn items_can_be_added_and_left_out_at_the_end() {
    in_time(|| {
        let place = Place::new();
        let pool = pool(2);
        for count in [10, 30, 5, 30, 40] {
            let job = pool.job(square).journal(place.path("j"));
            let squares = job.map(place.items(0..count)).unwrap();
            assert!(squares.into_iter().eq((0..count).map(|x| x * x)));
        }
        assert_eq!(place.tally.counts(), each_once(40));
    });
}

#[test]
fn results_of_all_kinds_and_sizes_come_back_the_same() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let tally = place.tally.path();
            let sizes = [
                0, 1, 2, 100, 1000, 4, 300_000, 400_001, 2_000_000, 3_000_002,
            ];
            let items = || sizes.map(|size| (tally, size));
            let values = || pool.job(value).journal(place.path("values"));
            let first = values().map(items()).unwrap();
            let second = values().map(items()).unwrap();
            assert!(first == second && second == sizes.map(|size| value(tally, size)));
            let vectors = || pool.job(vector).journal(place.path("vectors"));
            let first = vectors().map(items()).unwrap();
            let second = vectors().map(items()).unwrap();
            assert!(first == second && second[8].len() == 2_000_000);

            let numbers: Vec<u64> = (0..100_000).collect();
            let items = || [3, 100_000, 0].map(|count| (&numbers[..count], "sum ".to_owned()));
            let texts = || {
                pool.job(text)
                    .journal(place.path("texts"))
                    .map(items())
                    .unwrap()
            };
            let first = texts();
            assert_eq!(first, ["sum 3", "sum 4999950000", "sum 0"]);
            assert_eq!(texts(), first);
        }
    });
}

#[test]
fn a_call_without_a_seed_has_the_same_one_in_each_run() {
    in_time(|| {
        let place = Place::new();
        let pool = pool(2);
        let marker = place.path("marker");
        std::fs::write(&marker, "").unwrap();
        let items = || [(marker.to_str().unwrap(), 0); 5];
        let first = place.path("first");
        let failed = pool
            .job(seed_unless)
            .journal(&first)
            .outcomes(items())
            .unwrap();
        let failed = failed.iter().map(Result::is_err).collect::<Vec<_>>();
        assert_eq!(failed, [false, false, true, false, false]);
        let second = place.path("second");
        std::fs::copy(&first, &second).unwrap();
        std::fs::remove_file(&marker).unwrap();
        let go_on = |path| pool.job(seed_unless).journal(path).map(items()).unwrap();
        assert_eq!(go_on(&first), go_on(&second));
        let other = pool.job(seed_unless).journal(place.path("other"));
        assert_ne!(go_on(&first)[2], other.map(items()).unwrap()[2]);
    });
}

#[test]
fn what_is_done_when_the_time_is_over_need_not_be_done_again() {
    in_time(|| {
        let place = Place::new();
        let pool = pool(1);
        let items = || place.items((0..20).chain([u64::MAX]));
        let job = || pool.job(patient).journal(place.path("j")).chunk_size(1);
        let job = job().deadline(Duration::from_secs(3));
        let outcomes = job.outcomes(items()).unwrap();
        assert!(outcomes[..20].iter().all(Result::is_ok));
        assert!(outcomes[20].as_ref().unwrap_err().is_timeout());
        let job = pool.job(patient).journal(place.path("j"));
        job.map(place.items(0..20)).unwrap();
        let counts = place.tally.counts();
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    });
}

/// Does not come to an end with the largest number.
#[parallel]
fn patient(tally: &str, x: u64) -> u64 {
    note(tally, x);
    if x == u64::MAX {
        loop {
            std::thread::park();
        }
    }
    x
}

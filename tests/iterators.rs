//! The calls as methods of what can be iterated.

use std::collections::BTreeMap;
use std::process;

use parproc::TryMapError;
use parproc::prelude::*;
use parproc_tests::{Tally, in_time, note};

#[parallel]
fn square(x: i64) -> i64 {
    x * x
}

#[parallel]
fn length(text: &str) -> usize {
    text.len()
}

#[parallel]
fn of_entry(key: &str, value: u32) -> String {
    format!("{key}={value}")
}

#[parallel]
fn bad_at_three(x: u32) -> Result<u32, String> {
    match x {
        3 => Err("three".to_owned()),
        5 => process::abort(),
        _ => Ok(x),
    }
}

#[parallel]
fn noted(path: &str, word: u64) {
    note(path, word);
}

#[parallel]
fn pid() -> u32 {
    process::id()
}

#[test]
fn anything_that_can_be_iterated_is_mapped_in_order() {
    in_time(|| {
        let wanted: Vec<_> = (0..1000).map(square).collect();
        assert_eq!((0..1000).par_map(square).unwrap(), wanted);
        let vector: Vec<i64> = (0..1000).collect();
        assert_eq!(vector.iter().copied().par_map(square).unwrap(), wanted);
        assert_eq!(vector.into_iter().rev().par_map(square).unwrap()[999], 0);
        assert_eq!("a bcd ef".split(' ').par_map(length).unwrap(), [1, 3, 2]);
        assert_eq!([""; 0].par_map(length).unwrap(), [0; 0]);
        let map = BTreeMap::from([("a", 1), ("b", 2)]);
        assert_eq!(map.into_iter().par_map(of_entry).unwrap(), ["a=1", "b=2"]);
        assert_eq!(Some(3).par_map(square).unwrap(), [9]);
    });
}

#[test]
fn it_runs_in_workers() {
    in_time(|| {
        let workers = [(); 20].par_map(pid).unwrap();
        assert!(!workers.contains(&process::id()));
    });
}

#[test]
fn the_first_error_ends_a_try_map() {
    in_time(|| {
        assert_eq!((0..3).par_try_map(bad_at_three).unwrap(), [0, 1, 2]);
        match (0..5).par_try_map(bad_at_three).unwrap_err() {
            TryMapError::Item { index: 3, error } => assert_eq!(error, "three"),
            other => panic!("{other}"),
        }
        match (4..9).par_try_map(bad_at_three).unwrap_err() {
            TryMapError::Call(error) => assert!(error.task().unwrap().is_crash()),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn each_outcome_is_given() {
    in_time(|| {
        let outcomes = (2..7).par_outcomes(bad_at_three).unwrap();
        let kinds = outcomes.iter().map(|outcome| match outcome {
            Ok(Ok(_)) => 'v',
            Ok(Err(_)) => 'e',
            Err(error) if error.is_crash() => 'c',
            Err(error) => panic!("{error}"),
        });
        assert_eq!(kinds.collect::<String>(), "vevcv");
    });
}

#[test]
fn effects_happen_once_for_each_item() {
    in_time(|| {
        let tally = Tally::new();
        let items = (0..100).map(|word| (tally.path(), word));
        items.par_for_each(noted).unwrap();
        let counts = tally.counts();
        assert_eq!(counts.len(), 100);
        assert!(counts.values().all(|count| *count == 1));
    });
}

#[test]
fn lazy_calls_take_endless_items() {
    in_time(|| {
        let squares = (1..).par_imap(square).unwrap();
        let sum: i64 = squares.take(10).map(Result::unwrap).sum();
        assert_eq!(sum, 385);
        let squares = (0..).par_imap_unordered(square).unwrap();
        for (index, square) in squares.take(100) {
            assert_eq!(square.unwrap(), (index as i64).pow(2));
        }
    });
}

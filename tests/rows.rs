//! Numbers travel in rows, without anything between them: what happens in the middle of one is as exact as
//! elsewhere.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parproc::replay::SavedInput;
use parproc::{Output, Pool, TaskError, parallel};
use parproc_tests::{in_time, inline_pool, pool};

const ITEMS: u64 = 5_000;

#[parallel]
fn negated(x: u64) -> u64 {
    !x
}

#[parallel]
fn bad_now_and_then(x: u64) -> u64 {
    match x % 1000 {
        7 => panic!("seven"),
        500 => std::process::abort(),
        _ => !x,
    }
}

#[parallel]
fn panics_often(x: u64) -> u64 {
    assert!(!x.is_multiple_of(3), "a third");
    !x
}

#[parallel]
fn says(x: u64) -> u64 {
    if x.is_multiple_of(7) {
        println!("{x}");
    }
    !x
}

#[parallel]
fn by_reference(x: &i16) -> i64 {
    i64::from(*x) - 1
}

#[parallel]
fn to_text(x: u32) -> String {
    x.to_string()
}

#[parallel]
fn length(text: &str) -> usize {
    text.len()
}

#[parallel(for(T = [u8, i8, u16, i32, f32, u64, f64, u128, i128, usize]))]
fn same<T>(x: T) -> T {
    x
}

/// That each result is that of its item, and how many failed.
fn failures(results: Vec<Result<u64, TaskError>>) -> usize {
    assert_eq!(results.len() as u64, ITEMS);
    let mut failed = 0;
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, !x),
            Err(error) => {
                assert_eq!(error.index() as u64, x);
                failed += 1;
            }
        }
    }
    failed
}

#[test]
fn a_panic_or_crash_in_a_row_costs_its_item() {
    in_time(|| {
        for size in [1, 3, 64, 100, 1000, ITEMS as usize] {
            let pool = pool(2);
            let job = pool.job(bad_now_and_then).chunk_size(size);
            let results = job.outcomes(0..ITEMS).unwrap();
            for (x, result) in (0..ITEMS).zip(&results) {
                let failed = result.as_ref().err();
                assert_eq!(
                    failed.is_some_and(TaskError::is_panic),
                    x % 1000 == 7,
                    "item {x}"
                );
                assert_eq!(
                    failed.is_some_and(TaskError::is_crash),
                    x % 1000 == 500,
                    "item {x}"
                );
            }
            assert_eq!(failures(results), 10);
        }
    });
}

#[test]
fn an_item_of_a_row_that_crashed_is_kept_as_any_other() {
    in_time(|| {
        let folder = tempfile::tempdir().unwrap();
        let builder = Pool::builder().workers(2).crash_dir(folder.path());
        let results = builder
            .build()
            .unwrap()
            .outcomes(bad_now_and_then, 0..ITEMS)
            .unwrap();
        for (x, result) in (0..ITEMS).zip(&results) {
            let Err(error) = result else {
                continue;
            };
            let file = error.saved_input().unwrap();
            let saved = SavedInput::open(file).unwrap();
            let mut expected = vec![8];
            expected.extend_from_slice(&x.to_ne_bytes());
            assert_eq!(saved.arguments(), expected);
        }
        assert_eq!(failures(results), 10);
    });
}

#[test]
fn every_third_item_may_panic() {
    in_time(|| {
        let results = pool(2).outcomes(panics_often, 0..ITEMS).unwrap();
        assert_eq!(failures(results) as u64, ITEMS.div_ceil(3));
    });
}

#[test]
fn every_kind_of_number_is_the_same_on_both_sides() {
    fn passes<T: Copy + Debug + PartialEq>(
        map: impl Fn(&Pool, Vec<T>) -> parproc::Result<Vec<T>>,
        values: [T; 3],
    ) {
        let values: Vec<T> = values.into_iter().cycle().take(1000).collect();
        for pool in [pool(2), inline_pool()] {
            assert_eq!(map(&pool, values.clone()).unwrap(), values);
        }
    }
    in_time(|| {
        passes(|pool, values| pool.map(same::<u8>, values), [0, 7, u8::MAX]);
        passes(
            |pool, values| pool.map(same::<i8>, values),
            [i8::MIN, -1, 1],
        );
        passes(
            |pool, values| pool.map(same::<u16>, values),
            [0, 256, u16::MAX],
        );
        passes(
            |pool, values| pool.map(same::<i32>, values),
            [i32::MIN, -1, 1],
        );
        passes(
            |pool, values| pool.map(same::<f32>, values),
            [f32::MIN, -0.5, f32::INFINITY],
        );
        passes(
            |pool, values| pool.map(same::<u64>, values),
            [0, 1 << 40, u64::MAX],
        );
        passes(
            |pool, values| pool.map(same::<f64>, values),
            [f64::MIN, -0.5, f64::INFINITY],
        );
        passes(
            |pool, values| pool.map(same::<u128>, values),
            [0, 1 << 99, u128::MAX],
        );
        passes(
            |pool, values| pool.map(same::<i128>, values),
            [i128::MIN, -1, 1],
        );
        passes(
            |pool, values| pool.map(same::<usize>, values),
            [0, 1 << 40, usize::MAX],
        );
    });
}

#[test]
fn rows_may_go_in_or_out_only() {
    in_time(|| {
        let pool = pool(2);
        let texts = pool.map(to_text, 0..2000).unwrap();
        assert!(
            (0..2000)
                .zip(&texts)
                .all(|(x, text)| *text == x.to_string())
        );
        let lengths = pool.map(length, texts.iter().map(String::as_str)).unwrap();
        assert!(
            texts
                .iter()
                .zip(lengths)
                .all(|(text, length)| text.len() == length)
        );
        let numbers: Vec<i16> = (-500..500).collect();
        let results = pool.map(by_reference, &numbers).unwrap();
        assert!(
            numbers
                .iter()
                .zip(results)
                .all(|(x, result)| i64::from(*x) - 1 == result)
        );
    });
}

#[test]
fn results_in_rows_are_given_in_order_or_as_they_come() {
    in_time(|| {
        let pool = pool(3);
        let results: Result<Vec<_>, _> = pool.imap(negated, 0..ITEMS).unwrap().collect();
        assert_eq!(results.unwrap(), (0..ITEMS).map(|x| !x).collect::<Vec<_>>());
        let unordered = pool.imap_unordered(negated, 0..ITEMS).unwrap();
        let mut found: Vec<_> = unordered
            .map(|(index, result)| (index, result.unwrap()))
            .collect();
        found.sort_unstable();
        let expected = (0..ITEMS).map(|x| (x as usize, !x));
        assert_eq!(found, expected.collect::<Vec<_>>());
    });
}

#[test]
fn what_items_in_a_row_write_is_in_their_reports() {
    in_time(|| {
        let pool = Pool::builder()
            .workers(2)
            .stdout(Output::Captured)
            .build()
            .unwrap();
        let reports = pool.job(says).chunk_size(100).reports(0..1000).unwrap();
        for (x, report) in (0..).zip(reports) {
            let expected = if x % 7 == 0 {
                format!("{x}\n")
            } else {
                String::new()
            };
            assert_eq!(report.result.unwrap(), !x);
            assert_eq!(report.stdout, expected.as_bytes());
        }
    });
}

#[test]
fn numbers_may_be_tried_again() {
    in_time(|| {
        let pool = pool(2);
        let job = pool.job(negated).chunk_size(50).retries(1);
        let job = job.retry_if(|result| result.as_ref().is_ok_and(|value| *value == !77));
        let reports = job.reports(0..500).unwrap();
        for (x, report) in (0..).zip(reports) {
            assert_eq!(report.attempts, if x == 77 { 2 } else { 1 });
        }
    });
}

#[test]
fn an_iterator_that_panics_in_a_row_gives_what_was_before() {
    in_time(|| {
        let pool = pool(2);
        let items = (0..ITEMS).inspect(|x| assert!(*x < 3333, "enough"));
        let mut results = Vec::new();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            for result in pool.imap(negated, items).unwrap() {
                results.push(result.unwrap());
            }
        }));
        assert!(panic.is_err());
        assert_eq!(results, (0..3333).map(|x: u64| !x).collect::<Vec<_>>());
        assert_eq!(pool.map(negated, [1]).unwrap(), [!1]);
    });
}

//! Large arguments and results: sent from where they are, received into memory that was used before.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use parproc::{Pool, parallel};
use parproc_tests::{in_time, pool};

const LARGE: usize = 3 << 20;

#[parallel]
fn sum(numbers: &[u64]) -> u64 {
    numbers.iter().sum()
}

/// Fails where there is a 7.
#[parallel]
fn sum_without_seven(numbers: &[u64]) -> u64 {
    assert!(!numbers.contains(&7), "a seven");
    numbers.iter().sum()
}

#[parallel(retries = 2)]
fn crash_twice(numbers: &[u64]) -> u64 {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    if ATTEMPTS.fetch_add(1, Ordering::Relaxed) == 0 && numbers.first() != Some(&0) {
        process::abort();
    }
    numbers.iter().sum()
}

#[parallel]
fn double(bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter().map(|byte| byte.wrapping_mul(2)).collect()
}

#[parallel]
fn halves(numbers: Vec<u64>) -> Vec<f64> {
    numbers.iter().map(|number| *number as f64 / 2.0).collect()
}

#[parallel]
fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

#[parallel]
fn part(text: String, len: usize) -> Vec<u8> {
    text.into_bytes()[..len].to_vec()
}

fn numbers(count: usize, from: u64) -> Vec<u64> {
    (from..).take(count).collect()
}

#[test]
fn slices_are_sent_from_where_they_are() {
    in_time(|| {
        let pool = pool(2);
        let all = numbers(4 * LARGE / 8, 1);
        let slices = || all.chunks(LARGE / 8 + 1);
        let expected: Vec<u64> = slices().map(sum).collect();
        assert_eq!(pool.map(sum, slices()).unwrap(), expected);
        let outcomes = pool.outcomes(sum, slices()).unwrap();
        let outcomes: Vec<u64> = outcomes.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes, expected);
        // What is read ahead by an iterator of the caller's may outlive the slices.
        let lazily = pool.imap(sum, slices()).unwrap();
        assert_eq!(lazily.map(Result::unwrap).collect::<Vec<_>>(), expected);
    });
}

#[test]
fn a_call_that_fails_uses_no_slice_when_it_is_over() {
    in_time(|| {
        let pool = pool(2);
        for round in 0..20 {
            let mut vectors: Vec<Vec<u64>> = (0..8)
                .map(|index| numbers(LARGE / 8, 100 * index))
                .collect();
            vectors[round % 3][5] = 7;
            let error = pool
                .map(sum_without_seven, vectors.iter().map(Vec::as_slice))
                .unwrap_err();
            assert!(error.to_string().contains("a seven"), "{error}");
            drop(vectors);
            assert_eq!(pool.map(sum, [&[1, 2, 3][..]]).unwrap(), [6]);
        }
    });
}

#[test]
fn a_slice_is_there_for_another_attempt() {
    in_time(|| {
        let pool = pool(1);
        let all = numbers(LARGE / 8, 1);
        let expected = all.iter().sum::<u64>();
        let outcomes = pool
            .outcomes(crash_twice, [&all[..], &[0, 1], &all[..]])
            .unwrap();
        let attempts: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(attempts.len(), 3);
        assert_eq!(*outcomes[1].as_ref().unwrap(), 1);
        for outcome in [&outcomes[0], &outcomes[2]] {
            match outcome {
                Ok(found) => assert_eq!(*found, expected),
                Err(error) => assert_eq!(error.attempt(), 3, "{error}"),
            }
        }
    });
}

#[test]
fn results_land_in_the_memory_of_arguments() {
    in_time(|| {
        let pool = pool(2);
        // Of several sizes, so that some memory fits and some does not.
        let sizes = [LARGE, LARGE - 100, 100_000, LARGE, 2 * LARGE, 99_000, 10];
        let inputs: Vec<Vec<u8>> = (0..40)
            .map(|index| {
                let size = sizes[index % sizes.len()];
                (0..size).map(|byte| (byte * (index + 1)) as u8).collect()
            })
            .collect();
        let expected: Vec<Vec<u8>> = inputs.iter().cloned().map(double).collect();
        assert!(pool.map(double, inputs).unwrap() == expected);

        let inputs: Vec<Vec<u64>> = (0..12).map(|from| numbers(LARGE / 8, from)).collect();
        let expected: Vec<Vec<f64>> = inputs.iter().cloned().map(halves).collect();
        assert!(pool.map(halves, inputs).unwrap() == expected);
    });
}

#[test]
fn text_is_sent_as_it_is() {
    in_time(|| {
        let pool = pool(2);
        let text = |index: usize| "größer als ein Megabyte ".repeat(50_000 + index);
        let texts: Vec<String> = (0..6).map(text).collect();
        let expected: Vec<String> = texts.iter().map(|text| backwards(text)).collect();
        let lent = texts.iter().map(String::as_str);
        assert!(pool.map(backwards, lent).unwrap() == expected);
        let parts = pool
            .map(part, texts.iter().map(|text| (text.clone(), 100_000)))
            .unwrap();
        assert!(
            parts
                .iter()
                .zip(&texts)
                .all(|(part, text)| **part == text.as_bytes()[..100_000])
        );
    });
}

#[test]
fn an_inline_pool_takes_slices_too() {
    let pool = Pool::builder().inline().build().unwrap();
    let all = numbers(LARGE / 8, 3);
    assert_eq!(
        pool.map(sum, [&all[..]]).unwrap(),
        [all.iter().sum::<u64>()]
    );
}

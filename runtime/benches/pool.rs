//! Microbenchmarks of a pool: `cargo bench -p parproc --bench pool`.
//!
//! For comparisons with other mechanisms see the bench `compare`.

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use parproc::{Pool, Task, parallel};

const TASKS: usize = 1000;

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::builder().build().unwrap());

#[parallel]
fn increment(x: u64) -> u64 {
    x.wrapping_add(1)
}

#[parallel]
fn echo(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[parallel]
fn letters(words: &[String]) -> usize {
    words.iter().map(String::len).sum()
}

#[parallel]
fn shout(word: String) -> String {
    word.to_uppercase()
}

fn main() {
    // The workers start before anything is measured.
    let sum: u64 = POOL.map(increment, 0..1000).unwrap().iter().sum();
    assert_eq!(sum, 500_500);
    divan::main();
}

#[divan::bench]
fn spawn_and_join() -> u64 {
    POOL.spawn(increment, 1).unwrap().join().unwrap()
}

#[divan::bench]
fn map_of_one() -> Vec<u64> {
    POOL.map(increment, [1]).unwrap()
}

#[divan::bench(args = [100, 10_000, 1_000_000])]
fn map_of_numbers(bencher: Bencher<'_, '_>, items: u64) {
    bencher
        .counter(ItemsCount::new(items))
        .bench(|| POOL.map(increment, 0..items).unwrap());
}

#[divan::bench(args = [100, 10_000, 1_000_000])]
fn imap_of_numbers(bencher: Bencher<'_, '_>, items: u64) {
    bencher.counter(ItemsCount::new(items)).bench(|| {
        let results = POOL.imap(increment, 0..items).unwrap();
        results.map(Result::unwrap).sum::<u64>()
    });
}

#[divan::bench]
fn spawn_of_1000_then_join(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(TASKS)).bench(|| {
        let tasks: Vec<Task<u64>> = (0..TASKS as u64)
            .map(|x| POOL.spawn(increment, x).unwrap())
            .collect();
        let results = tasks.into_iter().map(|task| task.join().unwrap());
        results.sum::<u64>()
    });
}

#[divan::bench(args = [1 << 10, 64 << 10, 1 << 20, 16 << 20])]
fn echo_of_bytes(bencher: Bencher<'_, '_>, bytes: usize) {
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(|| vec![7; bytes])
        .bench_values(|input| POOL.map(echo, [input]).unwrap());
}

#[divan::bench]
fn map_of_10000_strings(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(10_000_usize))
        .with_inputs(|| words(10_000))
        .bench_values(|words| POOL.map(shout, words).unwrap());
}

#[divan::bench]
fn map_of_100_lists_of_1000_strings(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(100_000_usize))
        .with_inputs(|| vec![words(1000); 100])
        .bench_refs(|lists| POOL.map(letters, lists.iter().map(Vec::as_slice)).unwrap());
}

fn words(count: usize) -> Vec<String> {
    (0..count)
        .map(|word| format!("word number {word}"))
        .collect()
}

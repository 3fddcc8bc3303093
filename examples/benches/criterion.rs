//! A bench of your own with criterion: workers are the bench executable, run again.
//!
//! `cargo bench -p parproc-examples --bench criterion`
//!
//! The pool is made, and its workers are started, before anything is measured. What is compared is how long
//! the same sums take in a loop and in workers, for items that are worth a worker's time and for some that are not.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use parproc::{Pool, parallel};

const ITEMS: u64 = 64;

#[parallel]
fn sum_of_roots(count: u64) -> f64 {
    (0..count).map(|n| (n as f64).sqrt()).sum()
}

fn sums(criterion: &mut Criterion) {
    let pool = Pool::builder().build().expect("a pool");
    // The first items start the workers.
    pool.map(sum_of_roots, 0..ITEMS).expect("sums");

    let mut group = criterion.benchmark_group("sums of roots");
    group.sample_size(20);
    for count in [100, 100_000] {
        let items = vec![count; ITEMS as usize];
        group.bench_with_input(BenchmarkId::new("loop", count), &items, |bencher, items| {
            bencher.iter(|| {
                let sums = items.iter().map(|count| sum_of_roots(black_box(*count)));
                sums.collect::<Vec<_>>()
            });
        });
        group.bench_with_input(BenchmarkId::new("pool", count), &items, |bencher, items| {
            bencher.iter(|| pool.map(sum_of_roots, items.iter().copied()).expect("sums"));
        });
    }
    group.finish();
}

criterion_group!(benches, sums);
criterion_main!(benches);

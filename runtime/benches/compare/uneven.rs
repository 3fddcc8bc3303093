//! Work that is all computation, in pieces of very different lengths.

use std::hint::black_box;

use parproc::parallel;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::measure::{Outcome, Scale, check, pool, take_turns, threads, time};
use super::table::{Bar, Table, Unit};

const WORKERS: usize = 2;
const TASKS: usize = 200;
const MOST: f64 = 1.05;

/// A walk of xorshift, each step of which needs the one before.
#[parallel]
fn walk(steps: u64) -> u64 {
    let mut x = black_box(88_172_645_463_325_252_u64);
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// Lengths with a heavy tail: the longest is a tenth of all, the shortest a thousandth of that, and
/// they are in no order.
fn lengths(longest: f64) -> Vec<u64> {
    (0..TASKS)
        .map(|task| {
            // 77 and 200 have no common divisor, so this is every rank once.
            let rank = (task * 77 + 13) % TASKS + 1;
            (longest * (rank as f64).powf(-0.8)) as u64
        })
        .collect()
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let steps = lengths(scale.pick(50e6, 1e6));
    let expected: Vec<u64> = steps.iter().map(|steps| walk(*steps)).collect();
    let (pool, threads) = (pool(WORKERS)?, threads(WORKERS)?);

    let timed = |work: &dyn Fn() -> parproc::Result<Vec<u64>>| {
        let (results, nanos) = time(work);
        check(results? == expected, "uneven work")?;
        Ok(nanos)
    };
    let one_by_one = || steps.par_iter().with_max_len(1).map(|n| walk(*n)).collect();
    let as_it_likes = || steps.par_iter().map(|n| walk(*n)).collect();
    let [ours, split, plain, serial] = &take_turns(
        scale.rounds(),
        [
            &mut || timed(&|| pool.map(walk, steps.iter().copied())),
            &mut || timed(&|| Ok(threads.install(one_by_one))),
            &mut || timed(&|| Ok(threads.install(as_it_likes))),
            &mut || timed(&|| Ok(steps.iter().map(|n| walk(*n)).collect())),
        ],
    )?;
    let what = format!("{TASKS} uneven tasks");
    let ours = ("`pool.map`, 2 workers", ours);
    for (name, theirs, bar) in [
        (
            "rayon, 2 threads, `with_max_len(1)`",
            split,
            Bar::Ratio(MOST),
        ),
        ("rayon, 2 threads", plain, Bar::Ratio(MOST)),
        ("serial loop", serial, Bar::None),
    ] {
        table.add(&what, Unit::Millis, ours, (name, theirs), bar);
    }
    Ok(())
}

//! A function that does next to nothing over very many numbers.

use std::hint::black_box;

use parproc::parallel;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::measure::{Outcome, Scale, check, cpus, pool, take_turns, threads, time};
use super::table::{Bar, Table, Unit};

const MOST: f64 = 40.0;

/// Opaque to the compiler, so that no contestant's loop becomes vector instructions.
#[parallel]
fn mix(x: u64) -> u64 {
    let x = black_box(x);
    (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    compare(scale, scale.pick(1_000_000, 100_000), Bar::None, table)?;
    let bar = Bar::NanosAnItem(MOST);
    compare(scale, scale.pick(10_000_000, 1_000_000), bar, table)
}

fn compare(scale: Scale, count: usize, bar: Bar, table: &mut Table) -> Outcome<()> {
    let items: Vec<u64> = (0..count as u64).collect();
    let expected: Vec<u64> = items.iter().map(|x| mix(*x)).collect();
    let (pool, threads) = (pool(cpus())?, threads(cpus())?);

    // The results are dropped after the clock has stopped.
    let timed = |work: &dyn Fn() -> parproc::Result<Vec<u64>>| {
        let (results, nanos) = time(work);
        check(results? == expected, "a map")?;
        Ok(nanos)
    };
    let [ours, rayon, serial] = &take_turns(
        scale.rounds(),
        [
            &mut || timed(&|| pool.map(mix, items.iter().copied())),
            &mut || timed(&|| Ok(threads.install(|| items.par_iter().map(|x| mix(*x)).collect()))),
            &mut || timed(&|| Ok(items.iter().map(|x| mix(*x)).collect())),
        ],
    )?;
    let ours = ("`pool.map`", ours);
    let unit = Unit::NanosAnItem(count);
    let what = format!("map of {count} `u64`");
    table.add(&what, unit, ours, ("rayon", rayon), bar);
    table.add(&what, unit, ours, ("serial loop", serial), Bar::None);
    Ok(())
}

//! Large vectors there and back.

use parproc::{Function, parallel};

use super::measure::{Outcome, Scale, check, cpus, pool, take_turns, time};
use super::raw::forget_free_memory;
use super::table::{Bar, Table, Unit};

const BLOCK: usize = 4 << 20;
/// A quarter of the throughput.
const MOST: f64 = 4.0;

#[parallel]
fn echo_bytes(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[parallel]
fn echo_numbers(numbers: Vec<f64>) -> Vec<f64> {
    numbers
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    compare(scale, echo_bytes, "`Vec<u8>`", |index| index as u8, table)?;
    compare(
        scale,
        echo_numbers,
        "`Vec<f64>`",
        |index| index as f64,
        table,
    )
}

fn compare<T, M, F>(
    scale: Scale,
    echo: F,
    name: &str,
    value: fn(usize) -> T,
    table: &mut Table,
) -> Outcome<()>
where
    T: Copy + PartialEq,
    F: Function<Vec<T>, M, Output = Vec<T>>,
{
    let blocks = scale.pick(64, 8);
    let source: Vec<Vec<T>> = (0..blocks)
        .map(|block| {
            (0..BLOCK / size_of::<T>())
                .map(|index| value(index.wrapping_mul(block + 3)))
                .collect()
        })
        .collect();
    let mut used = source.clone();
    let pool = pool(cpus())?;

    let [ours, warm, fresh] = &take_turns(
        scale.rounds(),
        [
            &mut || {
                let input = source.clone();
                forget_free_memory();
                let (result, nanos) = time(|| pool.map(echo, input));
                check(result? == source, "an echo")?;
                Ok(nanos)
            },
            &mut || {
                let ((), nanos) = time(|| {
                    for (to, from) in used.iter_mut().zip(&source) {
                        to.copy_from_slice(from);
                    }
                });
                check(used == source, "a copy")?;
                Ok(nanos)
            },
            &mut || {
                forget_free_memory();
                let (copy, nanos) = time(|| source.clone());
                check(copy == source, "a copy")?;
                Ok(nanos)
            },
        ],
    )?;
    let what = format!("echo of {blocks} × 4 MiB {name}");
    let unit = Unit::Throughput(blocks * BLOCK);
    let ours = ("`pool.map`", ours);
    let bar = Bar::Ratio(MOST);
    table.add(&what, unit, ours, ("memcpy into used memory", warm), bar);
    table.add(&what, unit, ours, ("memcpy into fresh memory", fresh), bar);
    Ok(())
}

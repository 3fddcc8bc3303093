//! What processes share: broadcasts, elements of arrays, parts.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use parproc::{Shared, SharedArray, SharedCell, SharedPart, parallel};

use super::measure::{Outcome, Scale, check, pool, take_turns, time};
use super::table::{Bar, Table, Unit};

#[parallel]
fn sum_shared(bytes: Shared<[u8]>) -> u64 {
    sum(&bytes)
}

#[parallel]
fn sum_copied(bytes: &[u8]) -> u64 {
    sum(bytes)
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

#[parallel]
fn count_up(part: SharedPart<u64>, rounds: usize) {
    let mut part = part;
    write(&mut part, rounds);
}

fn write(words: &mut [u64], rounds: usize) {
    for round in 0..rounds as u64 {
        for word in std::hint::black_box(&mut *words) {
            *word = word.wrapping_mul(3) + round;
        }
    }
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    for workers in [2, 8] {
        broadcast(scale, workers, table)?;
    }
    elements(scale, table)?;
    parts(scale, table)?;
    python(scale, table)
}

/// The same bytes for each worker: placed once, against copied to each.
fn broadcast(scale: Scale, workers: usize, table: &mut Table) -> Outcome<()> {
    let len = scale.pick(256 << 20, 4 << 20);
    let source = vec![1_u8; len];
    let pool = pool(workers)?;
    let rounds = scale.pick(3, 1);
    let [ours, copied] = &take_turns(
        rounds,
        [
            &mut || {
                let (sums, nanos) = time(|| {
                    let shared = Shared::from_slice(&source)?;
                    let items = (0..workers).map(|_| shared.clone());
                    pool.job(sum_shared).chunk_size(1).map(items)
                });
                check(sums?.iter().sum::<u64>() == (workers * len) as u64, "a sum")?;
                Ok(nanos)
            },
            &mut || {
                let (sums, nanos) = time(|| {
                    let items = (0..workers).map(|_| source.as_slice());
                    pool.job(sum_copied).chunk_size(1).map(items)
                });
                check(sums?.iter().sum::<u64>() == (workers * len) as u64, "a sum")?;
                Ok(nanos)
            },
        ],
    )?;
    table.add(
        format!("{} MiB for each of {workers} workers, summed up", len >> 20),
        Unit::Millis,
        ("`Shared<[u8]>`, made and read", ours),
        ("as an argument", copied),
        Bar::None,
    );
    Ok(())
}

/// Additions to one element after the other, in one process.
fn elements(scale: Scale, table: &mut Table) -> Outcome<()> {
    const LEN: usize = 1024;
    let rounds = scale.pick(5000, 20);
    let count = LEN * rounds;
    let array = SharedArray::<u64>::new(LEN)?;
    let cell = SharedCell::new(0_u64)?;
    let raw: Vec<AtomicU64> = (0..LEN).map(|_| AtomicU64::new(0)).collect();
    let one = AtomicU64::new(0);
    let each = |operation: &mut dyn FnMut() -> Outcome<()>| {
        let (result, nanos) = time(operation);
        result.map(|()| nanos)
    };
    let [element, open, atomic, get, load, in_cell, in_atomic] = &take_turns(
        scale.rounds(),
        [
            &mut || {
                each(&mut || {
                    for index in (0..LEN).cycle().take(count) {
                        array.fetch_add(index, 1)?;
                    }
                    Ok(())
                })
            },
            &mut || {
                each(&mut || {
                    let array = array.atomics()?;
                    for index in (0..LEN).cycle().take(count) {
                        array.fetch_add(index, 1)?;
                    }
                    Ok(())
                })
            },
            &mut || {
                each(&mut || {
                    for index in (0..LEN).cycle().take(count) {
                        raw[index].fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(())
                })
            },
            &mut || {
                each(&mut || {
                    for index in (0..LEN).cycle().take(count) {
                        std::hint::black_box(array.get(index)?);
                    }
                    Ok(())
                })
            },
            &mut || {
                each(&mut || {
                    for index in (0..LEN).cycle().take(count) {
                        std::hint::black_box(raw[index].load(Ordering::SeqCst));
                    }
                    Ok(())
                })
            },
            &mut || {
                each(&mut || {
                    for _ in 0..count {
                        cell.fetch_add(1);
                    }
                    Ok(())
                })
            },
            &mut || {
                each(&mut || {
                    for _ in 0..count {
                        one.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(())
                })
            },
        ],
    )?;
    let expected = ((scale.rounds() + 1) * rounds) as u64;
    check(array.get(LEN - 1)? == 2 * expected, "a count")?;
    let unit = Unit::NanosAnItem(count);
    let raw = ("an atomic of this process", atomic);
    let ratio = Bar::Ratio(1.2);
    let what = "adding to an element";
    table.add(what, unit, ("`array.fetch_add`", element), raw, Bar::None);
    table.add(what, unit, ("`array.atomics()`", open), raw, ratio);
    let raw = ("an atomic of this process", in_atomic);
    table.add(
        "adding to a cell",
        unit,
        ("`cell.fetch_add`", in_cell),
        raw,
        ratio,
    );
    let raw = ("an atomic of this process", load);
    table.add(
        "reading an element",
        unit,
        ("`array.get`", get),
        raw,
        Bar::None,
    );
    Ok(())
}

/// Writing a part in a worker, against a slice of this process.
fn parts(scale: Scale, table: &mut Table) -> Outcome<()> {
    const LEN: usize = 1 << 16;
    let rounds = scale.pick(1000, 10);
    let array = SharedArray::<u64>::new(LEN)?;
    let mut slice = vec![0_u64; LEN];
    let pool = pool(1)?;
    let [ours, plain] = &take_turns(
        scale.rounds(),
        [
            &mut || {
                let part = array.split(1)?.remove(0);
                let (done, nanos) = time(|| pool.map(count_up, [(part, rounds)]));
                done?;
                Ok(nanos)
            },
            &mut || {
                let ((), nanos) = time(|| write(&mut slice, rounds));
                Ok(nanos)
            },
        ],
    )?;
    check(array.to_vec()? == slice, "a part")?;
    table.add(
        format!("writing {} KiB {rounds} times", (8 * LEN) >> 10),
        Unit::NanosAnItem(LEN * rounds),
        ("a `SharedPart` in a worker", ours),
        ("a slice in this process", plain),
        Bar::Ratio(1.2),
    );
    Ok(())
}

const SCRIPT: &str = "
import sys, time
from multiprocessing import Array, Value
count = int(sys.argv[1])
array, value = Array('Q', 1024), Value('Q', 0)
start = time.perf_counter_ns()
for index in range(count):
    with array.get_lock():
        array[index % 1024] += 1
print(time.perf_counter_ns() - start)
";

/// The same additions in Python, if there is one.
fn python(scale: Scale, table: &mut Table) -> Outcome<()> {
    let count = scale.pick(200_000, 1000);
    let mut run_script = || {
        let mut child = Command::new("python3")
            .args(["-", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut script) = child.stdin.take() {
            script.write_all(SCRIPT.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse::<f64>()?)
    };
    if run_script().is_err() {
        eprintln!("there is no python3 to compare with");
        return Ok(());
    }
    let array = SharedArray::<u64>::new(1024)?;
    let [ours, theirs] = &take_turns(
        scale.pick(3, 1),
        [
            &mut || {
                let (done, nanos) = time(|| -> Outcome<()> {
                    for index in 0..count {
                        array.fetch_add(index % 1024, 1)?;
                    }
                    Ok(())
                });
                done.map(|()| nanos)
            },
            &mut run_script,
        ],
    )?;
    table.add(
        "adding to an element",
        Unit::NanosAnItem(count),
        ("`array.fetch_add`", ours),
        ("Python's `Array`, under its lock", theirs),
        Bar::None,
    );
    Ok(())
}

//! How cost grows with workers, items, bytes and callers: the figures of `parproc::guide::scale`.
//!
//! `cargo bench -p parproc --bench scale` prints them as Markdown tables, in a minute; `-- --full` goes to
//! 1,000,000,000 items and 4 GiB, which takes ten. Where two CPUs would decide, tasks sleep.

use std::fs;
use std::time::{Duration, Instant};

use parproc::{Error, Pool, Result, Task, parallel};

#[parallel]
fn increment(x: u64) -> u64 {
    x.wrapping_add(1)
}

#[parallel]
fn sleep(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[parallel]
fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

fn main() -> Result<()> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    // Cargo passes `--bench` when it measures, and not when it only tests that benches run.
    let (measured, full) = (has("--bench"), has("--full"));
    let few: &[usize] = &[1, 2];
    workers(if measured {
        &[1, 2, 4, 16, 64, 256]
    } else {
        few
    })?;
    items(match (measured, full) {
        (false, _) => &[1, 1_000],
        (true, false) => &[1, 1_000, 1_000_000, 10_000_000],
        (true, true) => &[1, 1_000, 1_000_000, 10_000_000, 1_000_000_000],
    })?;
    bytes(match (measured, full) {
        (false, _) => &[8],
        (true, false) => &[8, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20],
        (true, true) => &[8, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20, 4 << 30],
    })?;
    callers(if measured { &[1, 4, 16, 64] } else { few })
}

/// A pool of workers that all run, and how long that took.
fn started(workers: usize) -> Result<(Pool, Duration)> {
    let begin = Instant::now();
    let pool = Pool::builder().workers(workers).build()?;
    // As long as one sleeps no other is given its task.
    pool.job(sleep).chunk_size(1).map(vec![200; workers])?;
    let took = begin.elapsed().saturating_sub(Duration::from_millis(200));
    pool.map(increment, 0..10_000)?;
    Ok((pool, took))
}

fn workers(counts: &[usize]) -> Result<()> {
    println!(
        "| workers | all started, ms | map of 100,000 numbers, ns an item | 20,000 tasks, ns a task | sleeping tasks, time over ideal | descriptors of the program | its threads |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for workers in counts.iter().copied() {
        let (pool, start) = started(workers)?;
        let map = median(7, || pool.map(increment, 0..100_000).map(drop))? / 100_000.0;
        let tasks = median(5, || {
            let tasks: Result<Vec<Task<u64>>> =
                (0..20_000).map(|x| pool.spawn(increment, x)).collect();
            tasks?
                .into_iter()
                .try_for_each(|task| task.join().map(drop))
        })? / 20_000.0;
        let naps = 4 * workers;
        let slept = median(3, || pool.map(sleep, vec![20; naps]).map(drop))? / 80e6;
        let count = |of: &str| fs::read_dir(format!("/proc/self/{of}")).map_or(0, Iterator::count);
        let (descriptors, threads) = (count("fd"), count("task"));
        let start = start.as_secs_f64() * 1e3;
        println!(
            "| {workers} | {start:.0} | {map:.0} | {tasks:.0} | {slept:.2} | {descriptors} | {threads} |"
        );
    }
    Ok(())
}

fn items(counts: &[u64]) -> Result<()> {
    println!(
        "\n| items | `map`, ns an item | `imap`, ns an item | most memory of the program with `imap`, MiB more |"
    );
    println!("| --- | --- | --- | --- |");
    let (pool, _) = started(2)?;
    for items in counts.iter().copied() {
        let before = memory();
        let lazily = median(1, || {
            let results = pool.imap(increment, 0..items)?;
            let sum = results.map(|result| result.map_err(Error::from));
            let sum = sum.sum::<Result<u64>>()?;
            assert_eq!(sum, items * (items + 1) / 2);
            Ok(())
        })? / items as f64;
        let more = memory().saturating_sub(before) >> 10;
        // Its results alone would take the memory of a small machine.
        let map = if items > 100_000_000 {
            "–".to_owned()
        } else {
            let map = median(3, || pool.map(increment, 0..items).map(drop))?;
            format!("{:.0}", map / items as f64)
        };
        println!("| {items} | {map} | {lazily:.0} | {more} |");
    }
    Ok(())
}

fn bytes(sizes: &[usize]) -> Result<()> {
    println!("\n| bytes of an argument | one call, µs | GB/s |");
    println!("| --- | --- | --- |");
    let (pool, _) = started(1)?;
    for size in sizes.iter().copied() {
        let rounds = if size < 1 << 30 { 9 } else { 2 };
        let mut values: Vec<_> = (0..rounds + 1)
            .map(|_| vec![1_u8; size.min(1 << 28)])
            .collect();
        for value in &mut values {
            value.resize(size, 1);
        }
        let nanos = median(rounds, || {
            let value = values.pop().unwrap_or_default();
            assert_eq!(pool.spawn(length, value)?.join()?, size);
            Ok(())
        })?;
        println!(
            "| {size} | {:.1} | {:.3} |",
            nanos / 1e3,
            size as f64 / nanos
        );
    }
    Ok(())
}

fn callers(counts: &[usize]) -> Result<()> {
    println!("\n| callers | a call of 1 ms, ms | calls at once, over ideal |");
    println!("| --- | --- | --- |");
    const CALLS: usize = 50;
    let (pool, _) = started(64)?;
    for callers in counts.iter().copied() {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..callers)
                .map(|_| scope.spawn(|| (0..CALLS).try_for_each(|_| pool.spawn(sleep, 1)?.join())))
                .collect();
            let mut ends = threads.into_iter().map(|thread| thread.join());
            ends.try_for_each(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        let each = begin.elapsed().as_secs_f64() * 1e3 / CALLS as f64;
        println!("| {callers} | {each:.2} | {:.2} |", each / 1.06);
    }
    Ok(())
}

/// The middle of the nanoseconds that the work took.
fn median(rounds: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        work()?;
        took.push(begin.elapsed().as_secs_f64() * 1e9);
    }
    took.sort_by(f64::total_cmp);
    Ok(took[rounds / 2])
}

/// The most memory that this process has used, in KiB.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

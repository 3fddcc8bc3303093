//! The parproc side: does what lines on standard input say, and answers each with a figure.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::time::{Duration, Instant};

use parproc::{Pool, Result, Task};

use super::side::{ANSWER, WORKERS};
use super::work::{bytes, compute, length, owner, step};

/// The argument that asks for it.
pub(crate) const FLAG: &str = "--serve";

pub(crate) fn serve() {
    // Under a launcher it has the workers of all ranks: the call is the same.
    let pool = Pool::builder().workers(WORKERS).build().expect("a pool");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match answer(&pool, &line) {
            Ok(answer) => println!("{ANSWER}{answer}"),
            Err(error) => println!("{ANSWER}error {error}"),
        }
    }
}

/// Nanoseconds, unless the command asks for something else.
fn answer(pool: &Pool, line: &str) -> Result<String> {
    let mut words = line.split(' ');
    let command = words.next().expect("a command");
    let numbers: Vec<usize> = words.map(|word| word.parse().expect("a number")).collect();
    let count = numbers.first().copied().unwrap_or(0);
    let each = |begin: Instant| begin.elapsed().as_nanos() as f64 / count as f64;
    let value = match command {
        "round" => {
            let begin = Instant::now();
            for x in 0..count as u64 {
                assert_eq!(pool.spawn(step, x)?.join()?, step(x));
            }
            each(begin)
        }
        "paused" => {
            let mut times = Vec::new();
            for x in 0..count as u64 {
                std::thread::sleep(Duration::from_millis(5));
                let begin = Instant::now();
                assert_eq!(pool.spawn(step, x)?.join()?, step(x));
                times.push(begin.elapsed().as_nanos() as f64);
            }
            times.sort_unstable_by(f64::total_cmp);
            times[count / 2]
        }
        "tasks" => {
            let begin = Instant::now();
            let tasks: Result<Vec<Task<u64>>> =
                (0..count as u64).map(|x| pool.spawn(step, x)).collect();
            for (x, task) in (0..).zip(tasks?) {
                assert_eq!(task.join()?, step(x));
            }
            each(begin)
        }
        "map" => {
            let begin = Instant::now();
            let results = pool.map(step, 0..count as u64)?;
            let took = each(begin);
            assert!(results.into_iter().eq((0..count as u64).map(step)));
            took
        }
        "there" => {
            let argument = vec![1_u8; count * 1_000_000];
            let begin = Instant::now();
            let lengths = pool.map(length, [argument.as_slice()])?;
            assert_eq!(lengths, [argument.len()]);
            begin.elapsed().as_nanos() as f64
        }
        "back" => {
            let begin = Instant::now();
            let results = pool.map(bytes, [count * 1_000_000])?;
            let took = begin.elapsed().as_nanos() as f64;
            assert_eq!(results[0].len(), count * 1_000_000);
            took
        }
        "busy" => {
            let begin = Instant::now();
            let used = pool.map(compute, vec![numbers[1] as u64; count])?;
            let took = begin.elapsed().as_nanos() as f64;
            used.iter().sum::<u64>() as f64 / took / WORKERS as f64
        }
        "ranks" => {
            let own = std::process::id();
            let owners = pool.job(owner).chunk_size(1).map(0..20)?;
            let ranks: BTreeSet<u32> = std::iter::once(own).chain(owners).collect();
            let ranks: Vec<String> = ranks.iter().map(u32::to_string).collect();
            return Ok(ranks.join(" "));
        }
        _ => panic!("{command} is no command"),
    };
    Ok(value.to_string())
}

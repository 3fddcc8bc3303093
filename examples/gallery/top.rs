//! A live view of a pool at work in the terminal: what each worker does, how much memory it has, what failed.
//!
//! `cargo run --release --example top` (`-- 400` for so many items)
//!
//! The tasks count primes, but some of them panic, some crash their worker and are tried again, one hangs
//! and runs into its time limit. `q` ends the view and the call. At the end it prints the statistics of the pool;
//! without a terminal, that is all. The view is an observer that knows nothing of these tasks:
//! `top/model.rs` and `top/view.rs` can be copied.

#[path = "top/model.rs"]
mod model;
#[path = "top/view.rs"]
mod view;

use std::io::IsTerminal;
use std::time::Duration;

use parproc::{CancelToken, Output, Pool, parallel};

/// How many primes there are up to a number, by trial division: slow, but the number shows it.
#[parallel]
fn count_primes(number: u64) -> usize {
    // Some memory to look at.
    let mut primes = vec![2_u64];
    for candidate in (3..number).step_by(2) {
        let prime =
            |divisor: &&u64| **divisor * **divisor > candidate || candidate % **divisor == 0;
        if primes
            .iter()
            .find(prime)
            .is_none_or(|divisor| divisor * divisor > candidate)
        {
            primes.push(candidate);
        }
    }
    match number % 1000 {
        111 => panic!("{number} is not to be counted"),
        // By chance, so that another attempt may end well.
        222 if std::process::id().is_multiple_of(2) => std::process::abort(),
        333 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => primes.len(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let items = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 120,
    };
    // Between short and long, in no order, with a few of the special ones.
    let numbers = (0..items).map(|item: u64| {
        let special = match item % 30 {
            7 => 111,
            16 => 222,
            25 if item < 30 => 333,
            _ => 0,
        };
        1000 * (200 + item * 7919 % 2000) + special
    });
    let cancel = CancelToken::new();
    let mut builder = Pool::builder().stderr(Output::Captured);
    if std::io::stdout().is_terminal() {
        builder = builder.observe(view::Top::start(&cancel)?);
    }
    let pool = builder.build()?;
    let job = pool.job(count_primes).chunk_size(1).cancel_token(&cancel);
    let outcomes = job
        .timeout(Duration::from_secs(3))
        .retries(2)
        .outcomes(numbers)?;
    // The view ends with the pool.
    pool.shutdown()?;
    let most = outcomes.iter().flatten().max();
    println!("at most {} primes\n\n{}", most.unwrap_or(&0), pool.stats());
    Ok(())
}

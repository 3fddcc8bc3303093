//! Uneven tasks: the largest prime factors of consecutive numbers, against a serial loop.
//!
//! `cargo run --release --example primes`
//!
//! Trial division is done with a number such as 10^13 after a few steps, but needs three million of
//! them for a prime of that size. Nobody knows beforehand which numbers those are, so the pool hands
//! out little at a time to whichever worker is free. It prints both times and their ratio; the time of
//! the workers includes starting them.

use std::time::Instant;

use parproc::{Pool, parallel};

const FIRST: u64 = 10_000_000_000_000;
const COUNT: u64 = 1_000;

#[parallel]
fn largest_prime_factor(mut number: u64) -> u64 {
    let mut divisor = 2;
    while divisor * divisor <= number {
        if number.is_multiple_of(divisor) {
            number /= divisor;
        } else {
            divisor += 1;
        }
    }
    number
}

fn main() -> parproc::Result<()> {
    let numbers = FIRST..FIRST + COUNT;

    let start = Instant::now();
    let serial: Vec<u64> = numbers.clone().map(largest_prime_factor).collect();
    let serial_time = start.elapsed();

    let pool = Pool::builder().build()?;
    let start = Instant::now();
    let parallel = pool.map(largest_prime_factor, numbers.clone())?;
    let parallel_time = start.elapsed();
    assert_eq!(parallel, serial);

    let primes = numbers.zip(&serial).filter(|(n, factor)| n == *factor);
    let primes = primes.count();
    println!("{COUNT} numbers from {FIRST}, {primes} of them prime");
    println!("serial loop  {serial_time:.2?}");
    println!(
        "pool of {}    {parallel_time:.2?}, {:.2} times as fast",
        pool.workers(),
        serial_time.as_secs_f64() / parallel_time.as_secs_f64()
    );
    Ok(())
}

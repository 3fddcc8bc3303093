//! Squares of numbers, computed in worker processes.
//!
//! `cargo run --release --example square` prints `[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]`.

use parproc::{par_map, parallel};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

fn main() -> parproc::Result<()> {
    let squares: Vec<u64> = par_map(square, 0..10)?;
    println!("{squares:?}");
    Ok(())
}

//! Processes that each write an element of one array, and then each a part of it.
//!
//! `cargo run --release --example shared_array`
//!
//! It prints the squares of 0 to 9, and then what remains of them modulo 10.

use parproc::shared::ArrayError;
use parproc::{Pool, SharedArray, par_chunks_mut, parallel};

#[parallel]
fn square_at(
    index: usize,
    numbers: SharedArray<u64>,
    results: SharedArray<u64>,
) -> Result<(), ArrayError> {
    results.set(index, numbers.get(index)? * numbers.get(index)?)
}

/// An ordinary function of a slice: the slice is a part of the array, in place.
#[parallel]
fn last_digits(numbers: &mut [u64]) {
    for number in numbers {
        *number %= 10;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<u64> = (0..10).collect();
    let numbers = SharedArray::from_slice(&numbers)?;
    let mut results = SharedArray::new(10)?;
    let items = (0..10).map(|index| (index, numbers.clone(), results.clone()));
    Pool::global()?.try_map(square_at, items)?;
    println!("{:?}", results.to_vec()?);

    par_chunks_mut(&mut results, 5, last_digits)?;
    println!("{:?}", results.to_vec()?);
    Ok(())
}

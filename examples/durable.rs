//! A long sweep that can be interrupted and goes on where it was: when does water find a way through porous rock?
//!
//! `cargo run --release --example durable -- FILE`
//!
//! Each cell of a square is open with probability p; water comes from the top and goes through open cells that
//! touch. It prints, for each p, in how many of a thousand random squares it comes to the bottom: a step, which is the
//! sharper the larger the square, at about 0.5927. Press Ctrl-C in the middle, or kill it, and run it again:
//! what was done is there at once, and the numbers are the same as without the interruption, since the
//! random numbers of an item follow from its seed. With the whole sweep in the file it takes no time at all; remove
//! the file to begin again. Without FILE it is in the folder for temporary files.

use std::path::PathBuf;
use std::time::Instant;

use parproc::{Pool, parallel, task};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const SIDE: usize = 128;
const SQUARES: u32 = 1_000;

/// In how many of `squares` random squares with open cells of this density water comes to the bottom.
#[parallel]
fn percolates(density: f64, squares: u32) -> u32 {
    let mut random = StdRng::seed_from_u64(task::seed());
    let mut through = 0;
    for _ in 0..squares {
        let open: Vec<bool> = (0..SIDE * SIDE)
            .map(|_| random.random_bool(density))
            .collect();
        through += u32::from(reaches_bottom(open));
    }
    through
}

/// Whether water from the top comes to the bottom; cells that it came to are closed.
fn reaches_bottom(mut open: Vec<bool>) -> bool {
    let mut wet: Vec<usize> = (0..SIDE).collect();
    while let Some(cell) = wet.pop() {
        if !std::mem::take(&mut open[cell]) {
            continue;
        }
        let (row, column) = (cell / SIDE, cell % SIDE);
        if row + 1 == SIDE {
            return true;
        }
        wet.extend((row > 0).then(|| cell - SIDE));
        wet.extend((column > 0).then(|| cell - 1));
        wet.extend((column + 1 < SIDE).then(|| cell + 1));
        // Downwards first.
        wet.push(cell + SIDE);
    }
    false
}

fn main() -> parproc::Result<()> {
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let file = file.unwrap_or_else(|| std::env::temp_dir().join("parproc-percolation.journal"));
    println!("results go to {}", file.display());
    let start = Instant::now();

    let densities = (0..=60).map(|step| 0.56 + 0.001 * f64::from(step));
    let items = densities.clone().map(|density| (density, SQUARES));
    let job = Pool::global()?.job(percolates).seed(2026);
    for (density, through) in densities.zip(job.journal(&file).imap(items)?) {
        let share = f64::from(through?) / f64::from(SQUARES);
        let bar = "#".repeat((60.0 * share).round() as usize);
        println!("{density:.3} {:5.1} % {bar}", 100.0 * share);
    }
    println!("{:.1?} in this run", start.elapsed());
    Ok(())
}

//! A parameter sweep: 144 settings of a gambler on slot machines, written to a CSV file.
//!
//! `cargo run --release --example sweep -- FILE`, by default `sweep.csv` in the folder for temporary files.
//!
//! A gambler has ten slot machines before him and does not know which one pays best. Mostly he takes the one that he
//! thinks best, sometimes (`explore`) any; he begins with high or low hopes of all machines (`hope`), and
//! learns fast or slowly (`learn`; 0 is the mean of all that a machine paid). Which of these make him rich? (R. S. Sutton
//! and A. G. Barto, "Reinforcement Learning", chapter 2.)
//!
//! Each task plays many games with one setting. Rows are written in order as they come, so a sweep that is
//! stopped has left what it knew; a setting whose task fails costs its row. It prints the best and the worst
//! settings and the file's path. The seed of each task follows from that of the call, so a second sweep writes
//! the same file.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use parproc::{Pool, parallel, task};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

const EXPLORE: [f64; 6] = [0.0, 0.01, 0.03, 0.1, 0.2, 0.4];
const HOPE: [f64; 4] = [0.0, 1.0, 2.0, 5.0];
const LEARN: [f64; 6] = [0.0, 0.02, 0.05, 0.1, 0.2, 0.5];

const SEED: u64 = 1;
const GAMES: usize = 1_000;
const ROUNDS: usize = 1_000;
const MACHINES: usize = 10;

/// A row of the file.
#[derive(Serialize, Deserialize)]
struct Row {
    explore: f64,
    hope: f64,
    learn: f64,
    /// What a round paid on average.
    reward: f64,
    /// How often the best machine was taken, in percent.
    best: f64,
}

#[parallel]
fn play(explore: f64, hope: f64, learn: f64) -> Row {
    let mut random = SmallRng::seed_from_u64(task::seed());
    let (mut reward, mut best) = (0.0, 0);
    for _ in 0..GAMES {
        let pays: [f64; MACHINES] = std::array::from_fn(|_| random.sample(StandardNormal));
        let mut hopes = [hope; MACHINES];
        let mut taken = [0.0; MACHINES];
        for _ in 0..ROUNDS {
            let machine = if random.random_bool(explore) {
                random.random_range(0..MACHINES)
            } else {
                highest(&hopes)
            };
            let paid = pays[machine] + random.sample::<f64, _>(StandardNormal);
            taken[machine] += 1.0;
            let weight = if learn == 0.0 {
                1.0 / taken[machine]
            } else {
                learn
            };
            hopes[machine] += weight * (paid - hopes[machine]);
            reward += paid;
            best += usize::from(machine == highest(&pays));
        }
    }
    let rounds = (GAMES * ROUNDS) as f64;
    Row {
        explore,
        hope,
        learn,
        reward: reward / rounds,
        best: 100.0 * best as f64 / rounds,
    }
}

/// The index of the highest one.
fn highest(numbers: &[f64]) -> usize {
    let mut highest = 0;
    for (index, number) in numbers.iter().enumerate() {
        if *number > numbers[highest] {
            highest = index;
        }
    }
    highest
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = match env::args_os().nth(1) {
        None => env::temp_dir().join("sweep.csv"),
        Some(name) if name.as_encoded_bytes().starts_with(b"-") => {
            return Err("usage: sweep [FILE]".into());
        }
        Some(name) => PathBuf::from(name),
    };
    let mut csv =
        csv::Writer::from_path(&file).map_err(|error| format!("{}: {error}", file.display()))?;

    let settings = EXPLORE.into_iter().flat_map(|explore| {
        HOPE.into_iter()
            .flat_map(move |hope| LEARN.map(|learn| (explore, hope, learn)))
    });
    let settings: Vec<_> = settings.collect();
    let start = Instant::now();
    let pool = Pool::global()?;
    let outcomes = pool.job(play).seed(SEED).imap(settings.iter().copied())?;
    let mut rows = Vec::new();
    for (setting, outcome) in settings.iter().zip(outcomes) {
        match outcome {
            Ok(row) => {
                csv.serialize(&row)?;
                csv.flush()?;
                rows.push(row);
            }
            Err(error) => eprintln!("setting {setting:?}: {error}"),
        }
    }
    let time = start.elapsed();

    rows.sort_by(|a, b| b.reward.total_cmp(&a.reward));
    println!("explore  hope  learn  reward  best machine");
    let print = |row: &Row| {
        let Row {
            explore,
            hope,
            learn,
            reward,
            best,
        } = row;
        println!("{explore:>7}  {hope:>4}  {learn:>5}  {reward:>6.3}  {best:>10.1} %");
    };
    rows.iter().take(5).for_each(print);
    println!("      …");
    rows.iter().rev().take(2).rev().for_each(print);
    println!(
        "\n{} settings by {} workers in {time:.1?}: {}",
        rows.len(),
        pool.workers(),
        file.display(),
    );
    Ok(())
}

//! A magnet that loses its magnetism when it is heated: a Monte Carlo simulation, with a plot.
//!
//! `cargo run --release --example monte_carlo -- PLOT`, by default `monte_carlo.svg` in the folder for
//! temporary files.
//!
//! In the Ising model a magnet is a grid of spins, each up or down, that like to agree with their four neighbours.
//! Each task heats a magnet of one size to one temperature and measures how much of it agrees; several
//! do so with other random numbers. The plot shows their means and standard errors beside Onsager's exact
//! result for a magnet without end: the larger the magnet, the closer it comes. It prints the plot's path and a table.
//! Each task has a seed of its own, which follows from that of the call, so the numbers are the same in
//! every run, with any number of workers.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use parproc::{Pool, parallel, task};
use plotters::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const SIZES: [usize; 3] = [8, 16, 64];
const RUNS: usize = 6;
const SEED: u64 = 1944;
/// How often each spin is turned, on average: first to forget how the magnet began, then to measure.
const WARM_UP: usize = 50;
const TURNS: usize = 200;

/// The mean magnetisation, between 0 and 1, of a magnet of `size` × `size` spins.
///
/// Clusters of equal spins are turned at once: U. Wolff, "Collective Monte Carlo updating for spin systems",
/// Physical Review Letters 62 (1989).
#[parallel]
fn magnetisation(size: usize, temperature: f64) -> f64 {
    let mut random = SmallRng::seed_from_u64(task::seed());
    let mut spins = vec![1_i64; size * size];
    let joins = 1.0 - (-2.0 / temperature).exp();
    let (mut turned, mut clusters, mut measured) = (0, 0, 0.0);
    let mut sum = spins.iter().sum::<i64>();
    let mut edge = Vec::new();
    while turned < (WARM_UP + TURNS) * spins.len() {
        let start = random.random_range(0..spins.len());
        let spin = spins[start];
        edge.push(start);
        spins[start] = -spin;
        while let Some(at) = edge.pop() {
            turned += 1;
            sum -= 2 * spin;
            for next in neighbours(at, size) {
                if spins[next] == spin && random.random_bool(joins) {
                    edge.push(next);
                    spins[next] = -spin;
                }
            }
        }
        if turned > WARM_UP * spins.len() {
            clusters += 1;
            measured += sum.abs() as f64 / spins.len() as f64;
        }
    }
    measured / f64::from(clusters)
}

/// The grid is round: its edges touch.
fn neighbours(at: usize, size: usize) -> [usize; 4] {
    let (column, last) = (at % size, size * (size - 1));
    [
        if column == 0 { at + size - 1 } else { at - 1 },
        if column == size - 1 {
            at + 1 - size
        } else {
            at + 1
        },
        if at < size { at + last } else { at - size },
        if at >= last { at - last } else { at + size },
    ]
}

/// L. Onsager, "Crystal statistics I", Physical Review 65 (1944), and C. N. Yang, Physical Review 85 (1952).
fn exact(temperature: f64) -> f64 {
    (1.0 - (2.0 / temperature).sinh().powi(-4))
        .max(0.0)
        .powf(0.125)
}

struct Point {
    size: usize,
    temperature: f64,
    mean: f64,
    error: f64,
}

fn draw(file: &Path, points: &[Point]) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (900, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(20)
        .caption("How a magnet loses its magnetism", ("sans-serif", 24))
        .x_label_area_size(45)
        .y_label_area_size(55)
        .build_cartesian_2d(1.5..3.5, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("temperature")
        .y_desc("magnetisation")
        .label_style(("sans-serif", 15))
        .draw()?;
    let line = (0..=2000).map(|step| 1.5 + f64::from(step) / 1000.0);
    chart
        .draw_series(LineSeries::new(
            line.map(|t| (t, exact(t))),
            BLACK.stroke_width(2),
        ))?
        .label("exact, without end")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], BLACK.stroke_width(2)));
    // Told apart by those who see no red or no green.
    let colors = [
        RGBColor(230, 159, 0),
        RGBColor(0, 158, 115),
        RGBColor(0, 114, 178),
    ];
    for (size, color) in SIZES.into_iter().zip(colors) {
        let of_size = points.iter().filter(|point| point.size == size);
        chart
            .draw_series(of_size.map(|point| {
                let (low, high) = (point.mean - point.error, point.mean + point.error);
                ErrorBar::new_vertical(point.temperature, low, point.mean, high, color.filled(), 7)
            }))?
            .label(format!("{size} × {size} spins"))
            .legend(move |(x, y)| Circle::new((x + 10, y), 4, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 15))
        .draw()?;
    area.present()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = match env::args_os().nth(1) {
        None => env::temp_dir().join("monte_carlo.svg"),
        Some(name) if name.as_encoded_bytes().starts_with(b"-") => {
            return Err("usage: monte_carlo [PLOT]".into());
        }
        Some(name) => PathBuf::from(name),
    };
    // A wrong path is told before the work, not after it.
    fs::write(&file, "").map_err(|error| format!("{}: {error}", file.display()))?;

    let temperatures = (0..=40).map(|step| 1.5 + f64::from(step) / 20.0);
    let places: Vec<_> = temperatures
        .flat_map(|temperature| SIZES.map(|size| (size, temperature)))
        .collect();
    let items = places.iter().flat_map(|&place| [place; RUNS]);

    let start = Instant::now();
    let pool = Pool::global()?;
    let measured = pool.job(magnetisation).seed(SEED).map(items)?;
    let time = start.elapsed();

    let points = places.iter().zip(measured.chunks(RUNS));
    let points: Vec<_> = points
        .map(|(&(size, temperature), runs)| {
            let mean = runs.iter().sum::<f64>() / RUNS as f64;
            let squares = runs.iter().map(|run| (run - mean).powi(2)).sum::<f64>();
            let error = (squares / (RUNS * (RUNS - 1)) as f64).sqrt();
            Point {
                size,
                temperature,
                mean,
                error,
            }
        })
        .collect();
    println!(
        "temperature   {:>16}   {:>16}   {:>16}   exact",
        "8 × 8", "16 × 16", "64 × 64"
    );
    for row in points.chunks(SIZES.len()).step_by(5) {
        print!("{:>11.2}", row[0].temperature);
        for point in row {
            print!("   {:>7.4} ± {:.4}", point.mean, point.error);
        }
        println!("   {:.4}", exact(row[0].temperature));
    }
    draw(&file, &points)?;
    println!(
        "\n{} magnets by {} workers in {time:.1?}, plotted in {}",
        measured.len(),
        pool.workers(),
        file.display(),
    );
    Ok(())
}

//! The Mandelbrot set as a PNG, with a task for every row.
//!
//! `cargo run --release --example mandelbrot -- PICTURE`, by default `mandelbrot.png` in the folder
//! for temporary files.
//!
//! Rows differ a lot in cost: points inside the set run to the last step. It prints the picture's
//! path, size and time.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Instant;

use parproc::{Pool, parallel};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 800;
/// Each pixel is the mean of `SAMPLES` × `SAMPLES` points.
const SAMPLES: u32 = 2;
const STEPS: u32 = 1_000;
const CENTER: (f64, f64) = (-0.7436438870, 0.1318259042);
/// The width of the picture in the plane.
const SPAN: f64 = 0.0025;

/// The bytes of a row: red, green and blue of each pixel.
#[parallel]
fn row(y: u32) -> Vec<u8> {
    (0..WIDTH).flat_map(|x| pixel(x, y)).collect()
}

fn pixel(x: u32, y: u32) -> [u8; 3] {
    let mut sum = [0.0; 3];
    for sample in 0..SAMPLES * SAMPLES {
        let place = |pixel: u32, part: u32, size: u32| {
            let along = f64::from(pixel) + (f64::from(part) + 0.5) / f64::from(SAMPLES);
            (along - f64::from(size) / 2.0) * SPAN / f64::from(WIDTH)
        };
        let re = CENTER.0 + place(x, sample % SAMPLES, WIDTH);
        let im = CENTER.1 - place(y, sample / SAMPLES, HEIGHT);
        for (sum, part) in sum.iter_mut().zip(color(re, im)) {
            *sum += part;
        }
    }
    // The mean of light, which is what a screen's numbers are the square root of, about.
    sum.map(|part| (255.0 * (part / f64::from(SAMPLES * SAMPLES)).sqrt()) as u8)
}

/// The light of a point, in red, green and blue from 0 to 1.
fn color(re: f64, im: f64) -> [f64; 3] {
    const FAR: f64 = 1e6;
    let (mut x, mut y) = (0.0, 0.0);
    // How z moves with c: its direction is the slope of the distance to the set.
    let (mut dx, mut dy) = (0.0, 0.0);
    for step in 0..STEPS {
        (dx, dy) = (2.0 * (x * dx - y * dy) + 1.0, 2.0 * (x * dy + y * dx));
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
        let square = x * x + y * y;
        if square > FAR {
            // A fraction of a step, so that the colours change without bands.
            let steps = f64::from(step) + 1.0 - (square.ln() / FAR.ln()).log2();
            let slope = (x * dx + y * dy, y * dx - x * dy);
            return lit(palette(steps), slope);
        }
    }
    [0.0; 3]
}

fn palette(steps: f64) -> [f64; 3] {
    let turn = steps.sqrt() * 0.35;
    [0.0, 0.12, 0.25].map(|shift| {
        let wave = 0.5 + 0.5 * (std::f64::consts::TAU * (turn - shift)).cos();
        wave * wave
    })
}

/// Light from the upper left, as if the colours were painted on hills.
fn lit(color: [f64; 3], (x, y): (f64, f64)) -> [f64; 3] {
    const HEIGHT: f64 = 1.5;
    let length = x.hypot(y).max(f64::MIN_POSITIVE);
    let toward = (y - x) / length * std::f64::consts::FRAC_1_SQRT_2;
    let light = ((toward + HEIGHT) / (1.0 + HEIGHT)).max(0.0);
    color.map(|part| part * light)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or_else(
        || std::env::temp_dir().join("mandelbrot.png"),
        PathBuf::from,
    );
    let start = Instant::now();
    let pool = Pool::global()?;
    let rows = pool.map(row, 0..HEIGHT)?;
    let time = start.elapsed();

    let file = BufWriter::new(File::create(&path)?);
    let mut encoder = png::Encoder::new(file, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rows.concat())?;
    writer.finish()?;
    println!(
        "{}: {WIDTH} x {HEIGHT} pixels by {} workers in {time:.2?}",
        path.display(),
        pool.workers()
    );
    Ok(())
}

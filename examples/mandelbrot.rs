//! The Mandelbrot set as a PNG, with a task for every row.
//!
//! `cargo run --release --example mandelbrot -- PICTURE`, by default `mandelbrot.png` in the folder
//! for temporary files.
//!
//! The picture is a spiral in the valley between the set's body and its head. It prints the
//! picture's path, its size and the time that the rows took.

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
const STEPS: u32 = 2_000;
const CENTER: (f64, f64) = (-0.775_683_77, 0.136_467_37);
const PIXEL: f64 = 0.000_65 / WIDTH as f64;

/// The bytes of a row: red, green and blue of each pixel.
#[parallel]
fn row(y: u32) -> Vec<u8> {
    (0..WIDTH).flat_map(|x| pixel(x, y)).collect()
}

fn pixel(x: u32, y: u32) -> [u8; 3] {
    let mut sum = [0.0; 3];
    for sample in 0..SAMPLES * SAMPLES {
        let re = CENTER.0 + PIXEL * from_middle(x, sample % SAMPLES, WIDTH);
        let im = CENTER.1 - PIXEL * from_middle(y, sample / SAMPLES, HEIGHT);
        for (sum, light) in sum.iter_mut().zip(light_of(re, im)) {
            *sum += light;
        }
    }
    // The numbers of a picture go with the square root of light, about.
    sum.map(|sum| (255.0 * (sum / f64::from(SAMPLES * SAMPLES)).sqrt()) as u8)
}

fn from_middle(pixel: u32, sample: u32, size: u32) -> f64 {
    f64::from(pixel) + (f64::from(sample) + 0.5) / f64::from(SAMPLES) - f64::from(size) / 2.0
}

/// Red, green and blue of a point, from 0 to 1.
fn light_of(re: f64, im: f64) -> [f64; 3] {
    const FAR: f64 = 1e6;
    let (mut x, mut y) = (0.0, 0.0);
    // The derivative of x + iy: it tells how far away the set is, and in which direction.
    let (mut dx, mut dy) = (0.0, 0.0);
    for step in 1..=STEPS {
        (dx, dy) = (2.0 * (x * dx - y * dy) + 1.0, 2.0 * (x * dy + y * dx));
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
        let square = x * x + y * y;
        if square > FAR {
            // The fraction of a step lets the colours change without bands.
            let steps = f64::from(step) - (square.ln() / FAR.ln()).log2();
            let distance = square.sqrt() * square.ln() / (2.0 * dx.hypot(dy));
            let edge = (distance / PIXEL).min(1.0).sqrt();
            let light = edge * slope_light(x * dx + y * dy, y * dx - x * dy);
            return palette(steps.ln()).map(|part| part * light);
        }
    }
    [0.0; 3]
}

/// How bright a slope in this direction is when the light comes from the upper left.
fn slope_light(x: f64, y: f64) -> f64 {
    const FROM_ABOVE: f64 = 1.5;
    let along = (y - x) / (x.hypot(y) * std::f64::consts::SQRT_2);
    (along + FROM_ABOVE) / (1.0 + FROM_ABOVE)
}

/// Blue, cream, orange and night, again and again.
fn palette(turn: f64) -> [f64; 3] {
    [0.3, 0.17, 0.03].map(|shift| {
        let wave = 0.5 + 0.5 * ((turn + shift) * std::f64::consts::TAU).cos();
        0.02 + 0.98 * wave * wave
    })
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

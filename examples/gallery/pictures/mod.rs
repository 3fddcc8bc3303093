//! Sample pictures for `thumbnails`: Julia sets, and three files that nobody wants to be sent.

use std::f64::consts::TAU;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use parproc::{Pool, parallel};

const GOOD: u32 = 21;
const WIDTH: u32 = 1200;
const HEIGHT: u32 = 900;

/// Writes all of them into the folder.
pub(crate) fn make(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let names = (0..GOOD).map(|number| (number, folder.join(format!("julia_{number:02}.jpg"))));
    for painted in Pool::global()?.map(paint, names)? {
        painted?;
    }
    let whole = fs::read(folder.join("julia_00.jpg"))?;
    fs::write(folder.join("cut_off.jpg"), &whole[..300])?;
    fs::write(
        folder.join("no_picture.png"),
        "<!DOCTYPE html><h1>Not found</h1>",
    )?;
    write_bomb(&folder.join("poster.png"))
}

/// A Julia set: of all points, how fast z² + c sends them away.
#[parallel]
fn paint(number: u32, file: PathBuf) -> Result<(), String> {
    let turn = TAU * f64::from(number) / f64::from(GOOD);
    // Along the edge of the Mandelbrot set's body, where Julia sets are liveliest.
    let (c_re, c_im) = (
        1.02 * (turn.cos() / 2.0 - (2.0 * turn).cos() / 4.0),
        1.02 * (turn.sin() / 2.0 - (2.0 * turn).sin() / 4.0),
    );
    let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let mut re = (f64::from(x) / f64::from(WIDTH) - 0.5) * 3.2;
        let mut im = (f64::from(y) / f64::from(HEIGHT) - 0.5) * 2.4;
        let mut steps = 0;
        while steps < 150 && re * re + im * im < 100.0 {
            (re, im) = (re * re - im * im + c_re, 2.0 * re * im + c_im);
            steps += 1;
        }
        let fraction = (re * re + im * im).max(1.1).ln().log2();
        let shade = ((f64::from(steps) - fraction).max(0.0) / 12.0).sqrt();
        Rgb([0.0, 0.12, 0.25].map(|shift| match steps {
            150 => 0,
            _ => (255.0 * (0.5 - 0.5 * (TAU * (0.5 * shade + shift) + turn).cos())) as u8,
        }))
    });
    picture.save(file).map_err(|error| error.to_string())
}

/// A picture of one colour: small as a file, and 480 MB in memory.
fn write_bomb(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    const SIDE: u32 = 12_650;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(file)?), SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    let mut stream = writer.stream_writer()?;
    let row = [60, 120, 180].repeat(SIDE as usize);
    for _ in 0..SIDE {
        stream.write_all(&row)?;
    }
    Ok(stream.finish()?)
}

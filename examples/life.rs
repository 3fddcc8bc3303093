//! Conway's game of life on 4096 × 4096 cells, in bands that processes own, as a PNG.
//!
//! `cargo run --release --example life -- PICTURE`, by default `life.png` in the folder for
//! temporary files.
//!
//! Each worker has a band of rows of the grid: a part of a shared array, which it reads and writes as a
//! slice. In each generation the workers show each other the first and last row of their bands
//! in another array, and wait for one another at a barrier. It begins with one straight line. The
//! picture shows it in white and, from yellow to blue, where cells lived last. It
//! prints the picture's path, how many cells live and the time that the generations took.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use parproc::sync::Barrier;
use parproc::{Pool, SharedArray, SharedPart, parallel};

const SIZE: usize = 4096;
/// Even, so that the last one is in the array that the first one was in.
const GENERATIONS: usize = 1600;
/// A living cell. One that has died fades.
const ALIVE: u8 = 255;
/// Cells of the grid for a pixel, in both directions.
const PER_PIXEL: usize = 4;

/// Lets a band live, and says how many cells do so at the end.
#[parallel]
fn live(
    bands: usize,
    mut now: SharedPart<u8>,
    mut next: SharedPart<u8>,
    edges: SharedArray<u8>,
    barrier: Barrier,
) -> Result<usize, String> {
    let band = now.index();
    let (mut above, mut below) = ([0; SIZE], [0; SIZE]);
    for _ in 0..GENERATIONS {
        show(&edges, 2 * band, &now[..SIZE])?;
        show(&edges, 2 * band + 1, &now[now.len() - SIZE..])?;
        barrier.wait().map_err(|error| error.to_string())?;
        // The last row of the band above, and the first one of the band below; the grid is round.
        look(&edges, 2 * ((band + bands - 1) % bands) + 1, &mut above)?;
        look(&edges, 2 * ((band + 1) % bands), &mut below)?;
        barrier.wait().map_err(|error| error.to_string())?;
        step(&now, &above, &below, &mut next);
        std::mem::swap(&mut now, &mut next);
    }
    Ok(now.iter().filter(|cell| **cell == ALIVE).count())
}

/// Writes a row of the edges.
fn show(edges: &SharedArray<u8>, row: usize, cells: &[u8]) -> Result<(), String> {
    let edges = edges.atomics().map_err(|error| error.to_string())?;
    for (to, cell) in edges.as_slice()[row * SIZE..].iter().zip(cells) {
        to.store(*cell, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(())
}

/// Reads a row of the edges.
fn look(edges: &SharedArray<u8>, row: usize, cells: &mut [u8]) -> Result<(), String> {
    let edges = edges.atomics().map_err(|error| error.to_string())?;
    for (from, cell) in edges.as_slice()[row * SIZE..].iter().zip(cells) {
        *cell = from.load(std::sync::atomic::Ordering::Relaxed);
    }
    Ok(())
}

/// One generation of a band, between the rows above and below it.
fn step(now: &[u8], above: &[u8; SIZE], below: &[u8; SIZE], next: &mut [u8]) {
    let (rows, _) = now.as_chunks::<SIZE>();
    let (next, _) = next.as_chunks_mut::<SIZE>();
    // For each column, how many of three rows live; with the columns around the edge.
    let mut columns = [0_u8; SIZE + 2];
    for (index, next) in next.iter_mut().enumerate() {
        let up = index.checked_sub(1).map_or(above, |up| &rows[up]);
        let down = rows.get(index + 1).unwrap_or(below);
        let here = &rows[index];
        for x in 0..SIZE {
            columns[x + 1] =
                u8::from(up[x] == ALIVE) + u8::from(here[x] == ALIVE) + u8::from(down[x] == ALIVE);
        }
        columns[0] = columns[SIZE];
        columns[SIZE + 1] = columns[1];
        for x in 0..SIZE {
            // The count has the cell itself in it: three live, or four with it.
            let count = columns[x] + columns[x + 1] + columns[x + 2];
            let lives = (count == 3) | (count == 4) & (here[x] == ALIVE);
            let faded = here[x].saturating_sub(1 + (here[x] >> 6));
            next[x] = if lives { ALIVE } else { faded };
        }
    }
}

/// Red, green and blue of a cell.
fn color(cell: u8) -> [f64; 3] {
    if cell == ALIVE {
        return [1.0; 3];
    }
    let glow = f64::from(cell) / f64::from(ALIVE);
    [
        glow.powf(1.5),
        glow.powi(3) * 0.8,
        0.05 + 0.6 * glow * (1.2 - glow),
    ]
}

fn draw(path: &Path, cells: &[u8]) -> Result<(), Box<dyn Error>> {
    const PIXELS: usize = SIZE / PER_PIXEL;
    let mut picture = Vec::with_capacity(3 * PIXELS * PIXELS);
    for (y, x) in (0..PIXELS * PIXELS).map(|pixel| (pixel / PIXELS, pixel % PIXELS)) {
        let mut sum = [0.0; 3];
        for row in 0..PER_PIXEL {
            let start = (y * PER_PIXEL + row) * SIZE + x * PER_PIXEL;
            for cell in &cells[start..start + PER_PIXEL] {
                for (sum, light) in sum.iter_mut().zip(color(*cell)) {
                    *sum += light / (PER_PIXEL * PER_PIXEL) as f64;
                }
            }
        }
        picture.extend(sum.map(|light| (255.0 * light.min(1.0).sqrt()) as u8));
    }
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, PIXELS as u32, PIXELS as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture)?;
    writer.finish()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("life.png"), PathBuf::from);
    let pool = Pool::global()?;
    let now = SharedArray::new(SIZE * SIZE)?;
    let next = SharedArray::new(SIZE * SIZE)?;
    // A line through the middle.
    let start = SIZE / 2 * SIZE + SIZE / 8;
    now.copy_from_slice(start, &[ALIVE; SIZE / 4 * 3])?;

    let time = Instant::now();
    let band = SIZE.div_ceil(pool.workers()) * SIZE;
    let (now_parts, next_parts) = (now.split_chunks(band)?, next.split_chunks(band)?);
    let bands = now_parts.len();
    let edges = SharedArray::new(2 * bands * SIZE)?;
    let barrier = Barrier::new(bands)?;
    let items = now_parts.into_iter().zip(next_parts);
    let items = items.map(|(now, next)| (bands, now, next, edges.clone(), barrier.clone()));
    let alive = pool
        .try_map(live, items)
        .map_err(|error| error.to_string())?;
    let time = time.elapsed();

    draw(&path, &now.to_vec()?)?;
    println!(
        "{}: {} of {SIZE} x {SIZE} cells live after {GENERATIONS} generations, by {bands} processes in {time:.2?}",
        path.display(),
        alive.iter().sum::<usize>(),
    );
    Ok(())
}

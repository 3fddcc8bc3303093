//! A contact sheet of all pictures in a folder, among them some that are broken.
//!
//! `cargo run --release --example thumbnails -- FOLDER SHEET`. Without a folder it makes sample pictures in a
//! temporary one, and without a name for the sheet this is `thumbnails.png` in the folder for temporary files.
//!
//! A task opens one picture and makes it small. Pictures come from anywhere: this one is cut off, that one is no
//! picture, and a small file may unpack to more memory than there is. Each costs its own place
//! on the sheet, which stays grey: a task may take ten seconds and 256 MiB. It prints what was wrong
//! with which picture, and the path of the sheet.

mod pictures;

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use image::{Rgb, RgbImage, imageops};
use parproc::{Pool, parallel};
use walkdir::WalkDir;

const SIDE: u32 = 160;
const GAP: u32 = 8;
const COLUMNS: u32 = 6;
/// A sheet has room for so many.
const MOST: usize = 600;
const PAPER: Rgb<u8> = Rgb([250, 250, 246]);
const MISSING: Rgb<u8> = Rgb([214, 214, 210]);

/// Width, height and pixels of a picture that was made to fit into a square.
type Thumbnail = (u32, u32, Vec<u8>);

#[parallel(timeout = "10s", memory_limit = "256MiB")]
fn shrink(file: &Path) -> Result<Thumbnail, String> {
    let picture = image::open(file).map_err(|error| error.to_string())?;
    let small = picture.thumbnail(SIDE, SIDE).into_rgb8();
    Ok((small.width(), small.height(), small.into_raw()))
}

fn is_picture(file: &Path) -> bool {
    let end = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    ["jpeg", "jpg", "png"].contains(&end.to_lowercase().as_str())
}

fn pictures_below(folder: &Path) -> Result<Vec<PathBuf>, walkdir::Error> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        match entry {
            Ok(entry) if is_picture(entry.path()) => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) if error.depth() == 0 => return Err(error),
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(files)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let samples = tempfile::tempdir()?;
    let folder = match arguments.next() {
        Some(folder) => PathBuf::from(folder),
        None => {
            pictures::make(samples.path())?;
            samples.path().to_owned()
        }
    };
    let sheet_file = arguments
        .next()
        .map_or_else(|| env::temp_dir().join("thumbnails.png"), PathBuf::from);
    let mut files = pictures_below(&folder).map_err(|error| error.to_string())?;
    if files.is_empty() {
        return Err(format!("{}: there are no .jpg and .png files", folder.display()).into());
    }
    if files.len() > MOST {
        println!(
            "only the first {MOST} of {} pictures are shown",
            files.len()
        );
        files.truncate(MOST);
    }

    let start = Instant::now();
    let pool = Pool::global()?;
    let outcomes = pool.outcomes(shrink, files.iter().map(PathBuf::as_path))?;
    let time = start.elapsed();

    let rows = (files.len() as u32).div_ceil(COLUMNS);
    let place = |index| GAP + index * (SIDE + GAP);
    let mut sheet = RgbImage::from_pixel(place(COLUMNS), place(rows), PAPER);
    let mut failed = 0;
    for ((file, outcome), index) in files.iter().zip(outcomes).zip(0..) {
        // The inner error is that of the function, the outer one that of a worker that was lost over the picture.
        let thumbnail = match outcome.map_err(|error| error.to_string()).flatten() {
            Ok((width, height, pixels)) => RgbImage::from_raw(width, height, pixels),
            Err(error) => {
                println!("{}: {}", file.display(), error.trim_end());
                failed += 1;
                None
            }
        };
        let thumbnail =
            thumbnail.unwrap_or_else(|| RgbImage::from_pixel(SIDE, SIDE * 3 / 4, MISSING));
        let x = place(index % COLUMNS) + (SIDE - thumbnail.width()) / 2;
        let y = place(index / COLUMNS) + (SIDE - thumbnail.height()) / 2;
        imageops::replace(&mut sheet, &thumbnail, x.into(), y.into());
    }
    sheet
        .save(&sheet_file)
        .map_err(|error| format!("{}: {error}", sheet_file.display()))?;
    println!(
        "{} of {} pictures by {} workers in {time:.1?}: {}",
        files.len() - failed,
        files.len(),
        pool.workers(),
        sheet_file.display(),
    );
    Ok(())
}

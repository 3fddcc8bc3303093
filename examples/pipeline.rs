//! A log file through stages of processes that channels connect.
//!
//! `cargo run --release --example pipeline -- FILE`, by default the largest log below `/var/log`.
//!
//! One process reads the lines, two make each line its shape (what varies from line to line becomes `#`),
//! and one counts. It prints how many lines each stage saw, and the ten most frequent shapes. A stage ends
//! when the one before it is gone and the channel between them is empty; channels have room for
//! a few batches, so a slow stage holds up those before it and memory stays bounded.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use parproc::channel::{Receiver, Sender, bounded};
use parproc::{Pool, parallel};
use walkdir::WalkDir;

/// Lines that travel together: a message for each would cost more than the work on it.
const BATCH: usize = 512;

#[parallel]
fn read(file: &Path, lines: Sender<Vec<String>>) -> Result<usize, String> {
    let failed = |error: &dyn Error| format!("{}: {error}", file.display());
    let mut reader = BufReader::new(File::open(file).map_err(|error| failed(&error))?);
    let (mut batch, mut read) = (Vec::with_capacity(BATCH), 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let len = reader.read_until(b'\n', &mut line);
        let over = len.map_err(|error| failed(&error))? == 0;
        if !over {
            // Logs are not always UTF-8.
            batch.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            read += 1;
        }
        if batch.len() == BATCH || over {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            lines.send(full).map_err(|error| failed(&error))?;
        }
        if over {
            return Ok(read);
        }
    }
}

#[parallel]
fn shapes(lines: Receiver<Vec<String>>, shaped: Sender<Vec<String>>) -> Result<usize, String> {
    let mut seen = 0;
    for batch in lines {
        seen += batch.len();
        let batch = batch.iter().map(|line| shape(line)).collect();
        shaped.send(batch).map_err(|error| error.to_string())?;
    }
    Ok(seen)
}

/// The line with `#` for each word that has a digit in it.
fn shape(line: &str) -> String {
    let mut shape = String::with_capacity(line.len());
    for (index, word) in line.split_whitespace().enumerate() {
        if index > 0 {
            shape.push(' ');
        }
        if word.contains(|c: char| c.is_ascii_digit()) {
            shape.push('#');
        } else {
            shape.push_str(word);
        }
    }
    shape
}

#[parallel]
fn count(shaped: Receiver<Vec<String>>) -> (usize, Vec<(String, usize)>) {
    let mut counts = HashMap::new();
    for shape in shaped.into_iter().flatten() {
        *counts.entry(shape).or_insert(0) += 1;
    }
    let lines = counts.values().sum();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(10);
    (lines, counts)
}

/// The largest log that there is, or else a file that this project has for certain.
fn default_file() -> OsString {
    let logs = WalkDir::new("/var/log").into_iter().flatten();
    let logs = logs.filter(|entry| {
        let is_log = entry.path().extension().is_some_and(|end| end == "log");
        is_log && File::open(entry.path()).is_ok()
    });
    let size = |entry: &walkdir::DirEntry| entry.metadata().map_or(0, |metadata| metadata.len());
    match logs.max_by_key(size) {
        Some(log) => log.into_path().into_os_string(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../CHANGELOG.md").into(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).unwrap_or_else(default_file);
    let file = Path::new(&file);
    let (lines_in, lines) = bounded(8)?;
    let (shaped_in, shaped) = bounded(8)?;

    let pool = Pool::builder().workers(4).build()?;
    let reader = pool.spawn(read, (file, lines_in))?;
    let shapers = [
        pool.spawn(shapes, (lines.clone(), shaped_in.clone()))?,
        pool.spawn(shapes, (lines, shaped_in))?,
    ];
    let counter = pool.spawn(count, shaped)?;

    let (counted, top) = counter.join()?;
    println!("{}", file.display());
    println!("read:    {:>8} lines", reader.join()??);
    for shaper in shapers {
        println!("shaped:  {:>8} lines", shaper.join()??);
    }
    println!("counted: {counted:>8} lines\n");
    for (shape, times) in top {
        println!("{times:>8}  {shape}");
    }
    Ok(())
}

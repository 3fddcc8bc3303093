//! The most frequent words of a folder of texts.
//!
//! `cargo run --release --example word_count -- FOLDER`, by default `text` beside this file: the twelve
//! chapters of "Alice's Adventures in Wonderland" (Lewis Carroll, 1865, in the public domain).
//!
//! Each task counts the words of one file, and the program adds up the counts as they come, so it never
//! holds more than a few of them. It prints the long words that are most frequent, with bars, and how much was
//! read. What cannot be read, or is no text, is named and left out.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use parproc::{Pool, parallel};
use walkdir::WalkDir;

type Counts = HashMap<String, u64>;

/// Shorter ones are "the" and "and" in every English text.
const LONG: usize = 5;
const SHOWN: usize = 20;
const BAR: u64 = 40;

#[parallel]
fn count(file: &Path) -> Result<Counts, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut counts = Counts::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'') {
        let word = word.trim_matches('\'').to_lowercase();
        if !word.is_empty() {
            *counts.entry(word).or_default() += 1;
        }
    }
    Ok(counts)
}

/// All files below the folder; what cannot be read is named.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, walkdir::Error> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) if error.depth() == 0 => return Err(error),
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(files)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("text"),
        PathBuf::from,
    );
    let files = files_below(&folder).map_err(|error| error.to_string())?;

    let start = Instant::now();
    let pool = Pool::global()?;
    let (mut total, mut read) = (Counts::new(), 0);
    for (file, outcome) in pool.imap_unordered(count, files.iter().map(PathBuf::as_path))? {
        // The inner error is that of the function, the outer one that of a worker that died over the file.
        match outcome.map_err(|error| error.to_string()).flatten() {
            Ok(counts) => {
                read += 1;
                for (word, times) in counts {
                    *total.entry(word).or_default() += times;
                }
            }
            Err(error) => eprintln!("{}: {error}", files[file].display()),
        }
    }

    let words: u64 = total.values().sum();
    println!(
        "{words} words, {} different ones, in {read} files below {} in {:.1?}\n",
        total.len(),
        folder.display(),
        start.elapsed(),
    );
    let mut long: Vec<_> = total
        .into_iter()
        .filter(|(word, _)| word.chars().count() >= LONG)
        .collect();
    long.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let most = long.first().map_or(1, |(_, times)| *times);
    for (word, times) in long.iter().take(SHOWN) {
        let bar = "█".repeat((times * BAR).div_ceil(most) as usize);
        println!("{word:>14} {times:>7} {bar}");
    }
    Ok(())
}

//! An actor: one process that has a state, which tasks in other processes use. It is killed in between.
//!
//! `cargo run --release --example actor -- [FOLDER]`
//!
//! Tasks read the text files below a folder, the current one if none is named, and tell an actor which words
//! they found. The actor writes down what it is told, so that it finds all of it again when it is started
//! anew. Then one of its methods writes through a wild pointer. The program prints the five most frequent words
//! and the actor's process before and after: the words are the same, the process is another one.

#![expect(unsafe_code, reason = "one method writes through a wild pointer")]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use parproc::actor::Actor;
use parproc::{Pool, parallel};
use walkdir::WalkDir;

/// How often each word was seen.
struct Words {
    counts: BTreeMap<String, u64>,
    journal: File,
}

#[parallel]
impl Words {
    /// Begins with what the journal says: nothing, or all that an earlier one was told.
    fn new(journal: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).read(true).open(journal)?;
        let mut words = Self {
            counts: BTreeMap::new(),
            journal: file.try_clone()?,
        };
        for line in BufReader::new(file).lines() {
            if let Some((count, word)) = line?.split_once(' ') {
                words.count(word, count.parse().unwrap_or(0));
            }
        }
        Ok(words)
    }

    fn add(&mut self, found: Vec<(String, u64)>) -> Result<(), String> {
        let lines: String = found
            .iter()
            .map(|(word, n)| format!("{n} {word}\n"))
            .collect();
        let written = self.journal.write_all(lines.as_bytes());
        written.map_err(|error| error.to_string())?;
        for (word, n) in found {
            self.count(&word, n);
        }
        Ok(())
    }

    fn most_frequent(&self, most: usize) -> Vec<(u64, String)> {
        let mut all: Vec<_> = self
            .counts
            .iter()
            .map(|(word, n)| (*n, word.clone()))
            .collect();
        all.sort_by(|a, b| b.cmp(a));
        all.truncate(most);
        all
    }

    /// What a mistake in a C library might do.
    fn crash(&mut self) {
        let wild = std::ptr::without_provenance_mut::<u8>(0xbad);
        // SAFETY: there is none: this is the mistake that the actor dies of. Nothing is ever mapped in the
        // first page.
        unsafe { wild.write_volatile(1) };
    }
}

impl Words {
    fn count(&mut self, word: &str, n: u64) {
        *self.counts.entry(word.to_owned()).or_default() += n;
    }
}

/// Tells the actor what is in a file; gives the number of words.
#[parallel]
fn read(file: &Path, words: &WordsHandle) -> Result<u64, String> {
    // What is no text has no words.
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(0);
    };
    let mut counts = BTreeMap::<String, u64>::new();
    for word in text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.len() > 3)
    {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let total = counts.values().sum();
    let told = words.add(counts.into_iter().collect()).join();
    told.map_err(|error| error.to_string())??;
    Ok(total)
}

fn main() -> parproc::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let files = WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let is_text = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| ["md", "rs", "toml", "txt"].contains(&extension))
    };
    let files: Vec<PathBuf> = files
        .map(walkdir::DirEntry::into_path)
        .filter(|path| is_text(path))
        .collect();

    let scratch = tempfile::tempdir().expect("a folder for the journal");
    let journal = scratch.path().join("journal");
    let words = Words::builder(&journal).max_restarts(3).spawn()?;
    let items = files.iter().map(|file| (file.as_path(), &words));
    let mut total = 0;
    for (file, outcome) in files.iter().zip(Pool::global()?.map(read, items)?) {
        match outcome {
            Ok(count) => total += count,
            Err(error) => eprintln!("{}: {error}", file.display()),
        }
    }
    println!("{total} words in {} files", files.len());
    show(&words)?;

    let error = words.crash().join().expect_err("it crashes");
    println!("then {error}");
    show(&words)?;
    words.shutdown()
}

fn show(words: &WordsHandle) -> parproc::Result<()> {
    let most = words.most_frequent(5).join()?;
    let most: Vec<_> = most
        .iter()
        .map(|(n, word)| format!("{word} ({n})"))
        .collect();
    let process = Actor::pid(words).map_or_else(|| "none".to_owned(), |pid| pid.to_string());
    println!("process {process}: {}", most.join(", "));
    Ok(())
}

//! How parproc compares with the bare mechanisms below it, and with threads.
//!
//! `cargo bench -p parproc --bench compare` prints a Markdown table of medians, and takes a minute
//! and a half. `-- --quick` runs each measurement a few times only, to see that it works; other words
//! choose sections: `-- echo map`. `-- --write FOLDER` writes `compare.md` and a chart, `compare.svg`. What
//! the columns mean is printed below the tables.
//!
//! Contestants take turns: ours, theirs, ours, theirs, … A ratio is formed within each round, so that
//! what else the machine does meets both. Every result is checked.

mod actor;
mod channel;
mod chart;
mod child;
mod contest;
mod copy;
mod echo;
mod failure;
mod hand;
mod length;
mod linked;
mod map;
mod measure;
mod memory;
mod peers;
mod place;
mod process;
mod queue;
mod raw;
mod raw_lock;
mod raw_ring;
mod report;
mod round_trip;
mod row;
mod shared;
mod start;
mod strings;
mod sync;
mod table;
mod tasks;
mod uneven;
mod workers;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use measure::{Outcome, Scale};
use table::Table;

type Section = fn(Scale, &mut Table) -> Outcome<()>;

const SECTIONS: [(&str, Section); 18] = [
    ("round-trip", round_trip::run),
    ("map", map::run),
    ("strings", strings::run),
    ("tasks", tasks::run),
    ("echo", echo::run),
    ("length", length::run),
    ("start", start::run),
    ("linked", linked::run),
    ("process", process::run),
    ("uneven", uneven::run),
    ("memory", memory::run),
    ("queue", queue::run),
    ("workers", workers::run),
    ("failure", failure::run),
    ("channel", channel::run),
    ("shared", shared::run),
    ("sync", sync::run),
    ("actor", actor::run),
];

fn main() -> ExitCode {
    // First, since the time until here is measured.
    if let Some(mode) = std::env::args().nth(1)
        && let Some(code) = child::play(&mode)
    {
        return code;
    }
    peers::init();
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = folder(&mut arguments)?;
    let (flags, words): (Vec<_>, Vec<_>) = arguments
        .into_iter()
        .partition(|argument| argument.starts_with('-'));
    // Cargo passes `--bench` when it measures, and not when it only tests that benches run.
    let measured = flags.iter().any(|flag| flag == "--bench");
    let scale = Scale {
        quick: !measured || flags.iter().any(|flag| flag == "--quick"),
    };
    if let Some(word) = words
        .iter()
        .find(|word| SECTIONS.iter().all(|(name, _)| name != word))
    {
        let names = SECTIONS.map(|(name, _)| name).join(", ");
        return Err(format!("there is no section `{word}`; there are {names}").into());
    }
    let mut table = Table::default();
    for (name, section) in SECTIONS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            eprintln!("{name} …");
            table.section = name;
            section(scale, &mut table).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    let report = report::report(&table, scale);
    print!("{report}");
    if let Some(folder) = folder {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("compare.md"), report)?;
        if let Some(chart) = chart::chart(table.contests())? {
            fs::write(folder.join("compare.svg"), chart)?;
        }
    }
    Ok(())
}

/// Takes `--write FOLDER` out of the arguments.
fn folder(arguments: &mut Vec<String>) -> Outcome<Option<PathBuf>> {
    let Some(place) = arguments.iter().position(|word| word == "--write") else {
        return Ok(None);
    };
    if place + 1 == arguments.len() {
        return Err("`--write` needs a folder".into());
    }
    Ok(arguments
        .drain(place..place + 2)
        .next_back()
        .map(PathBuf::from))
}

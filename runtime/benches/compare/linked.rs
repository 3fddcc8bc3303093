//! The start of a program that is linked with parproc and never uses it, beside the same without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::contest::{Contest, Figure, Who};
use super::measure::{Outcome, Scale, Series, check, median, time};
use super::row::{Limit, Row};
use super::table::{Table, Unit};

const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/linked");
const BARE: Who = Who::Other("the same without parproc");

const MANIFEST: &str = concat!(
    r#"
[workspace]

[package]
name = "program"
version = "0.0.0"
edition = "2024"

[features]
linked = ["dep:parproc"]

[dependencies.parproc]
optional = true
path = '"#,
    env!("CARGO_MANIFEST_DIR"),
    "'\n"
);

/// Nobody gives it so many arguments, but the compiler cannot know.
const PROGRAM: &str = "
#[cfg_attr(feature = \"linked\", parproc::parallel)]
fn square(x: u64) -> u64 {
    x * x
}

fn main() {
    let many = std::env::args_os().len() as u64;
    if many > 1000 {
        #[cfg(feature = \"linked\")]
        println!(\"{:?}\", parproc::par_map(square, 0..many));
        #[cfg(not(feature = \"linked\"))]
        println!(\"{:?}\", (0..many).map(square).collect::<Vec<_>>());
    }
}
";

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let what = "start of a program that never uses parproc";
    let built = if scale.quick {
        Err("a quick run builds no programs".into())
    } else {
        programs()
    };
    let programs = match built {
        Ok(programs) => programs,
        Err(error) => {
            let mut contest = Contest::new(scale);
            contest.absent(Who::Ours, error.to_string());
            table.contest(Row::of(what, Unit::Millis, contest)?);
            return Ok(());
        }
    };
    let starts = scale.pick(100, 3);
    let repeat = |program: &Path| -> Outcome<f64> {
        let times: Outcome<Vec<f64>> = (0..starts).map(|_| start(program)).collect();
        Ok(median(times?))
    };
    let [linked, bare] = &programs;
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || repeat(linked));
    contest.enter(BARE, || repeat(bare));
    let (bar, moonshot) = (Limit::Times(1.02, BARE), Limit::Times(1.02, BARE));
    table.contest(Row::of(what, Unit::Millis, contest)?.bars(bar, moonshot));

    // They are the same each time, so there are no rounds.
    let figure = |program| -> Figure { instructions(program).map(Series::of) };
    let mut row = Row::of(
        format!("{what}: instructions"),
        Unit::Count,
        Contest::new(scale),
    )?;
    row.figures = vec![(Who::Ours, figure(linked)), (BARE, figure(bare))];
    table.contest(row.note("counted by valgrind, those of the dynamic linker included"));
    Ok(())
}

/// Builds the program with parproc and without.
fn programs() -> Outcome<[PathBuf; 2]> {
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(folder.join("src/main.rs"), PROGRAM)?;
    // The crates that were chosen there are downloaded already.
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock"))?;
    let build = |name: &str, features: &[&str]| -> Outcome<PathBuf> {
        cargo(&[&["build", "--release"], features].concat())?;
        let kept = folder.join(name);
        fs::rename(folder.join("target/release/program"), &kept)?;
        Ok(kept)
    };
    Ok([
        build("linked", &["--features", "linked"])?,
        build("bare", &[])?,
    ])
}

fn cargo(arguments: &[&str]) -> Outcome<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--offline", "--quiet", "--target-dir", "target"])
        .current_dir(FOLDER)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let reason = errors.lines().next().unwrap_or("no reason");
    Err(format!("it cannot be built here: {reason}").into())
}

fn start(program: &Path) -> Outcome<f64> {
    let (status, nanos) = time(|| Command::new(program).stdin(Stdio::null()).status());
    check(status?.success(), "of a program")?;
    Ok(nanos)
}

fn instructions(program: &Path) -> Result<f64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .output()
        .map_err(|error| format!("`valgrind` cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let figure = said.lines().find_map(|line| line.split_once("Collected :"));
    let figure = figure.and_then(|(_, figure)| figure.trim().parse().ok());
    figure.ok_or_else(|| "valgrind tells no figure".to_owned())
}

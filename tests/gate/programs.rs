//! The programs below `programs/`, built as their users build them.

use std::ffi::CStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::run::{Ended, Running};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/programs");

/// A build from nothing on a slow and busy machine takes less.
const LIMIT: Duration = Duration::from_secs(600);

/// The program `name`, as `cargo build` makes it.
pub(crate) fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        cargo(&["build"]);
    });
    Path::new(TARGET).join("debug").join(name)
}

/// The program `name`, built with options for Cargo and others for its own compilation and linking.
pub(crate) fn variant(name: &str, variant: &str, options: &[&str], rustc: &[&str]) -> PathBuf {
    let _alone = alone();
    run_cargo(&[&["rustc", "--package", name], options, &["--"], rustc].concat());
    let release = options.contains(&"--release");
    let folder = Path::new(TARGET).join(if release { "release" } else { "debug" });
    let kept = folder.join(format!("{name}-{variant}"));
    let new = kept.with_extension("new");
    // A copy could not be executed while another thread starts a process that inherits its file.
    fs::hard_link(folder.join(name), &new).unwrap();
    // Another test may be about to execute what is there from before.
    fs::rename(&new, &kept).unwrap();
    // It stays if both are the same.
    let _ = fs::remove_file(new);
    kept
}

/// Runs Cargo on the programs.
pub(crate) fn cargo(arguments: &[&str]) -> Ended {
    let _alone = alone();
    run_cargo(arguments)
}

/// Cargo gives each variant of a program the same place, so one is built and taken away at a time.
fn alone() -> File {
    fs::create_dir_all(TARGET).unwrap();
    let file = File::create(Path::new(TARGET).join("lock")).unwrap();
    file.lock().unwrap();
    file
}

fn run_cargo(arguments: &[&str]) -> Ended {
    static LOCKED: OnceLock<()> = OnceLock::new();
    LOCKED.get_or_init(lock);
    let ended = Running::start(command().args(arguments), Stdio::piped(), LIMIT).end();
    let Ended {
        code,
        stdout,
        stderr,
    } = &ended;
    assert_eq!(*code, Some(0), "{arguments:?}\n{stdout}\n{stderr}");
    ended
}

/// Has Cargo choose the same crates as in the outer workspace: they are downloaded already.
fn lock() {
    let outer = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    fs::copy(outer, Path::new(SOURCE).join("Cargo.lock")).unwrap();
    let mut update = command();
    update.args(["update", "--workspace", "--offline"]);
    // Should this fail, the build asks the network.
    let _ = Running::start(&mut update, Stdio::piped(), LIMIT).end();
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(SOURCE)
        .env("CARGO_TARGET_DIR", TARGET)
        .env_remove("CARGO_BUILD_TARGET");
    command
}

/// The dynamic loader that the program's file asks for.
pub(crate) fn loader(program: &Path) -> Option<PathBuf> {
    const PT_INTERP: usize = 3;
    let file = fs::read(program).unwrap();
    let number = |at: usize, bytes: usize| {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(&file[at..at + bytes]);
        u64::from_le_bytes(number) as usize
    };
    // The places are those of the fields of the ELF headers with 64 bits.
    let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let mut headers = (0..count).map(|index| headers + index * size);
    let header = headers.find(|at| number(*at, 4) == PT_INTERP)?;
    let (begin, len) = (number(header + 8, 8), number(header + 32, 8));
    let path = CStr::from_bytes_until_nul(&file[begin..begin + len]).unwrap();
    Some(path.to_str().unwrap().into())
}

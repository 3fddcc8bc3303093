//! Inputs of failed items are kept, and their calls can be repeated.

#![expect(unsafe_code, reason = "a segmentation fault is made on purpose")]

#[path = "replay/keep.rs"]
mod keep;
#[path = "replay/refuse.rs"]
mod refuse;
#[path = "replay/repeat.rs"]
mod repeat;

use std::fs;
use std::hint::{black_box, spin_loop};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};
use std::ptr;
use std::thread;

use parproc::{Pool, parallel, task};
use parproc_tests::{meet, scribble};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tempfile::TempDir;

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum End {
    Well,
    WithErr,
    Segfault,
    Abort,
    Exit,
    Panic,
    /// Overwrites what the worker shares with its parent.
    Corrupt,
    Hang,
    Allocate,
}

#[parallel]
fn ends(end: End, _item: u32) -> Result<u32, String> {
    match end {
        End::Well => return Ok(1),
        End::WithErr => return Err("not today".to_owned()),
        // SAFETY: none; the address is not mapped, and the kernel ends the worker.
        End::Segfault => unsafe { ptr::without_provenance_mut::<u64>(8).write_volatile(1) },
        End::Abort => process::abort(),
        End::Exit => process::exit(3),
        End::Panic => panic!("as it was told"),
        End::Corrupt => {
            scribble();
            process::abort();
        }
        End::Hang => loop {
            spin_loop();
        },
        End::Allocate => {
            let mut bytes = Vec::new();
            loop {
                bytes.resize(bytes.len() + (4 << 20), 1_u8);
                black_box(&mut bytes);
            }
        }
    }
    unreachable!()
}

/// Panics with what the item knows of itself.
#[parallel]
fn tells_of_itself(_item: u32) -> u32 {
    let function = task::function().unwrap();
    panic!(
        "{function}: item {:?}, attempt {:?}, seed {}",
        task::index(),
        task::attempt(),
        thread::spawn(task::seed).join().unwrap()
    )
}

/// Cannot be read back.
#[derive(Clone, Copy)]
struct OneWay;

impl Serialize for OneWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("there")
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("no way back"))
    }
}

/// Cannot be written.
#[derive(Deserialize)]
struct Silent;

impl Serialize for Silent {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not a word"))
    }
}

#[parallel]
fn takes_one_way(_value: OneWay) {}

#[parallel]
fn gives_silent(_item: u32) -> Silent {
    Silent
}

/// Panics with a number that follows from every byte of its arguments.
#[parallel]
fn digests(numbers: Vec<f64>, text: &str, bytes: &[u8], last: u16) {
    panic!("{}", digest(&numbers, text, bytes, last));
}

fn digest(numbers: &[f64], text: &str, bytes: &[u8], last: u16) -> u64 {
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let all = numbers.chain(text.bytes()).chain(bytes.iter().copied());
    all.chain(last.to_le_bytes()).fold(7, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A bug that depends on the input.
#[parallel]
fn stumbles(numbers: Vec<u64>) -> u64 {
    assert!(!numbers.contains(&13), "thirteen");
    numbers.iter().sum()
}

/// Aborts while there is no file at `path`; what stands in it is the result.
#[parallel]
fn checks(path: &str) -> Result<u32, String> {
    match fs::read_to_string(path) {
        Ok(text) => text.parse().map_err(|_| text),
        Err(_) => process::abort(),
    }
}

#[parallel]
fn meets(meeting: &str) {
    meet(meeting, 0);
}

#[parallel]
fn meets_and_aborts(meeting: &str, item: u64) {
    meet(meeting, item);
    process::abort();
}

/// Files in the folder, which has to hold nothing but saved inputs.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let extension = file.extension().and_then(|extension| extension.to_str());
        assert_eq!(extension, Some("parproc"), "{file:?}");
    }
    files
}

/// A pool of two workers that keeps inputs in the folder.
fn keeping(folder: &TempDir) -> Pool {
    let builder = Pool::builder().workers(2).crash_dir(folder.path());
    builder.build().unwrap()
}

/// `program`, which is to repeat the call of the file.
fn replay(program: impl AsRef<Path>, file: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .args(["its", "usual", "arguments"])
        .env("PARPROC_REPLAY", file)
        .env_remove("PARPROC_REPLAY_ANY_BUILD")
        .env_remove("PARPROC_CRASH_DIR")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// This program repeats the call.
fn replay_here(file: &Path) -> Command {
    replay(std::env::current_exe().unwrap(), file)
}

/// Runs a program to its end.
///
/// One that was just written may be open still, in a process that another test is just starting.
fn run(command: &mut Command) -> Output {
    loop {
        match command.output() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            output => return output.unwrap(),
        }
    }
}

/// What it printed to standard error; nothing else.
fn said(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, "", "a test harness says more");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

//! SHA-256 of every file below a folder, as `sha256sum` prints it.
//!
//! `cargo run --release --example checksums -- FOLDER`, by default the folder of these examples.
//!
//! It prints the lines of `find FOLDER -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum`.
//! The workers read one file each at a time, in pieces, and `imap` gives the results in the order of
//! the names while later files are still being read. What cannot be read is reported on standard
//! error, and the rest goes on; as with `sha256sum`, the exit code tells of it at the end.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;

use parproc::{Pool, parallel};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// The name is an `OsString`, because the names of files need not be UTF-8.
#[parallel]
fn sha256(name: OsString) -> Result<[u8; 32], String> {
    hash(&name).map_err(|error| error.to_string())
}

fn hash(name: &OsStr) -> io::Result<[u8; 32]> {
    let mut file = File::open(name)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut unread = 0;
    let mut names = Vec::new();
    for entry in WalkDir::new(folder) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                names.push(entry.into_path().into_os_string())
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("checksums: {error}");
                unread += 1;
            }
        }
    }
    names.sort_unstable();

    let mut out = BufWriter::new(io::stdout().lock());
    let sums = Pool::global()?.imap(sha256, names.iter().cloned())?;
    for (name, sum) in names.iter().zip(sums) {
        // The outer error is a worker that ended over this file, as by a read error in a mapped page.
        match sum.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(sum) => write_line(&mut out, &sum, name)?,
            Err(error) => {
                eprintln!("checksums: {}: {error}", name.display());
                unread += 1;
            }
        }
    }
    out.flush()?;
    match unread {
        0 => Ok(()),
        _ => Err(format!("files and folders that could not be read: {unread}").into()),
    }
}

/// A name with a backslash or a line break is escaped, and its line begins with a backslash.
fn write_line(out: &mut impl Write, sum: &[u8], name: &OsStr) -> io::Result<()> {
    let name = name.as_bytes();
    if name.iter().any(|byte| b"\\\n\r".contains(byte)) {
        out.write_all(b"\\")?;
    }
    for byte in sum {
        write!(out, "{byte:02x}")?;
    }
    out.write_all(b"  ")?;
    for &byte in name {
        match byte {
            b'\\' => out.write_all(b"\\\\")?,
            b'\n' => out.write_all(b"\\n")?,
            b'\r' => out.write_all(b"\\r")?,
            _ => out.write_all(&[byte])?,
        }
    }
    out.write_all(b"\n")
}

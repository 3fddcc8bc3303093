//! Writing the input of a failed item.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::Builder;

use super::build::Build;
use super::file::{self, Header, Preparation};
use crate::error::TaskError;
use crate::format::VERSION;
use crate::registry::{FunctionId, Table};
use crate::task::Batch;
use crate::wire::Payload;

/// Longer parts of a name are cut.
const NAME_BYTES: usize = 64;
/// So many files can have one function, item, worker and nanosecond.
const TRIES: u32 = 100;

/// A call that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// What the item knew of itself.
    pub(crate) batch: Batch,
    pub(crate) arguments: &'a Payload,
    /// The `init` function of its pool, and its arguments.
    pub(crate) init: Option<(FunctionId, &'a [u8])>,
}

/// Keeps the input of `call`, which failed with `error`, in a new file in `folder`.
///
/// The folder is made if it is missing. Nothing is left when this fails.
pub(crate) fn keep(
    folder: &Path,
    table: &Table,
    call: Call<'_>,
    error: &TaskError,
) -> Result<PathBuf, String> {
    let signature = |function| {
        let found = table.get(function);
        found.map_or("", |entry| entry.signature).to_owned()
    };
    let init = call.init.map(|(function, arguments)| Preparation {
        function: table.name(function).to_owned(),
        signature: signature(function),
        arguments: arguments.to_vec(),
    });
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let header = Header {
        version: VERSION.to_owned(),
        build: Build::own().clone(),
        fingerprint: table.fingerprint(),
        function: error.function().to_owned(),
        signature: signature(call.batch.function),
        index: error.index() as u64,
        attempt: error.attempt(),
        numbering: call.batch.numbering.to_bits(),
        position: call.batch.first,
        seed: call.batch.seed,
        worker: error.pid(),
        init,
        time: time.unwrap_or_default(),
        error: error.to_string(),
        details: format!("{error:?}"),
    };
    let written = write(folder, &header, call.arguments);
    written.map_err(|error| format!("{}: {error}", folder.display()))
}

fn write(folder: &Path, header: &Header, arguments: &Payload) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let named = Builder::new().prefix(".parproc-").tempfile_in(folder)?;
    let mut out = BufWriter::new(named.as_file());
    file::write(&mut out, header, arguments.pieces())?;
    out.flush()?;
    drop(out);
    let mut temporary = named;
    for shift in 0..TRIES {
        let path = folder.join(name(header, shift));
        match temporary.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                temporary = failed.file;
            }
            Err(failed) => return Err(failed.error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What the file is called: function, item, worker, and the time in nanoseconds, `shift` later than it is.
fn name(header: &Header, shift: u32) -> String {
    let worker = header.worker.unwrap_or_else(std::process::id);
    let time = header.time + Duration::from_nanos(shift.into());
    let (item, time) = (header.index, time.as_nanos());
    format!(
        "{}-{item}-{worker}-{time}.parproc",
        last_part(&header.function)
    )
}

/// The last part of a function's name, in characters that mean nothing to a shell.
fn last_part(function: &str) -> String {
    // What a generic function was called with stands behind it.
    let plain = match function.find('<') {
        None | Some(0) => function,
        Some(at) => &function[..at],
    };
    let last = plain.rsplit("::").next().unwrap_or_default();
    let safe = last.chars().map(|c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => c,
        _ => '_',
    });
    let safe: String = safe.take(NAME_BYTES).collect();
    if safe.is_empty() {
        "function".to_owned()
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::last_part;

    #[test]
    fn names_of_files_are_safe() {
        let names = [
            ("app::parse", "parse"),
            ("app::identity<alloc::string::String>", "identity"),
            ("app::Shape::area", "area"),
            ("../../etc/passwd", "______etc_passwd"),
            ("what is this?", "what_is_this_"),
            ("größe", "gr__e"),
            ("a::", "function"),
            ("<", "_"),
        ];
        for (function, name) in names {
            assert_eq!(last_part(function), name);
        }
        assert_eq!(last_part(&"x".repeat(300)).len(), 64);
    }
}

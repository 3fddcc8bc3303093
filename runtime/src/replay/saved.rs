//! A saved input, for tools and for those who look at one.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::build::Build;
use super::file::{self, Header};
use crate::error::{Error, ErrorKind, Result};
use crate::format::check_version;
use crate::registry::{FunctionId, Registration, Table, table};
use crate::task::Batch;
use crate::wire::Numbering;

/// The input of an item that failed, from a file that a pool wrote: see [`replay`](crate::replay).
#[derive(Clone)]
pub struct SavedInput {
    path: PathBuf,
    header: Header,
    arguments: Vec<u8>,
}

impl SavedInput {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, and when it is no saved input, is damaged, or has the format of another version of
    /// parproc: [`Error::is_saved_input`] is true then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path)
            .map_err(|error| Error::os(format!("`{}` could not be read", path.display()), error))?;
        match file::read(&bytes) {
            Ok((header, arguments)) => Ok(Self {
                path: path.to_owned(),
                header,
                arguments: arguments.to_vec(),
            }),
            Err(reason) => Err(refused(path, reason)),
        }
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The registered name of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.header.function
    }

    /// The signature of the function as it was written.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.header.signature
    }

    /// The position of the item in the input of its call, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.header.index as usize
    }

    /// Which attempt failed: 1, or more if the item was tried again.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.header.attempt
    }

    /// The process id of the worker that ran the item; none in a pool that runs everything in its own process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.header.worker
    }

    /// The registered name of the [`init`](crate::PoolBuilder::init) function of the pool, if it has one.
    #[must_use]
    pub fn init_function(&self) -> Option<&str> {
        let init = self.header.init.as_ref()?;
        Some(&init.function)
    }

    /// When it was saved.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        // The header may say any time; one that the clock cannot is none.
        let time = UNIX_EPOCH.checked_add(self.header.time);
        time.unwrap_or(UNIX_EPOCH)
    }

    /// What the item's error said, in one paragraph.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.header.error
    }

    /// All that the item's error said, with the backtrace if there was one.
    #[must_use]
    pub fn error_details(&self) -> &str {
        &self.header.details
    }

    /// The arguments as they were sent to the worker: each with its length as a varint before it, numbers,
    /// vectors of them and text as in memory, and everything else in the postcard format, with an element before
    /// those of each sequence that says what it is. Only the same version of parproc reads them.
    #[must_use]
    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// The version of parproc that saved it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.header.version
    }

    /// A number that follows from names, signatures and places of all functions of the program that saved it.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.header.fingerprint
    }

    /// Whether this program can repeat the call.
    ///
    /// # Errors
    /// When it was saved by a program of another build: [`Error::is_saved_input`] is true then.
    pub fn check(&self) -> Result<()> {
        self.find(table()?, false).map(drop)
    }

    /// The functions to be called.
    ///
    /// Fails when this program cannot repeat the call.
    pub(super) fn find(&self, table: &Table, any_build: bool) -> Result<Found> {
        let found = self.search(table, any_build);
        found.map_err(|reason| refused(&self.path, reason))
    }

    fn search(&self, table: &Table, any_build: bool) -> Result<Found, String> {
        let header = &self.header;
        check_version(&header.version)?;
        let init = header.init.as_ref();
        let init = init.map(|init| entry(table, &init.function, &init.signature));
        let (id, function) = entry(table, &header.function, &header.signature)?;
        let found = Found {
            function,
            init: init.transpose()?.map(|(_, init)| init),
            batch: Batch {
                function: id,
                numbering: Numbering::from_bits(header.numbering),
                first: header.position,
                attempt: header.attempt,
                seed: header.seed,
            },
        };
        let why = if header.fingerprint != table.fingerprint() {
            "its functions are not the same, or not at the same places"
        } else if !header.build.is(Build::own()) {
            "its build id is another one"
        } else {
            return Ok(found);
        };
        if any_build {
            return Ok(found);
        }
        Err(format!(
            "it was saved by another build of the program: {why}; {}=1 repeats the call nevertheless",
            super::run::ANY_BUILD
        ))
    }

    /// The arguments of the `init` function of the pool.
    pub(super) fn init_arguments(&self) -> &[u8] {
        let init = self.header.init.as_ref();
        init.map_or(&[], |init| &init.arguments)
    }
}

/// The functions of a call that can be repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) function: &'static Registration,
    /// That of the pool.
    pub(super) init: Option<&'static Registration>,
    /// What the item knows of itself.
    pub(super) batch: Batch,
}

/// The function; says why it cannot be called otherwise.
fn entry(
    table: &Table,
    name: &str,
    signature: &str,
) -> Result<(FunctionId, &'static Registration), String> {
    let mut entries = (0..).map(FunctionId).zip(table.iter());
    let Some((id, found)) = entries.find(|(_, entry)| entry.name() == name) else {
        return Err(format!("this program has no function `{name}`"));
    };
    if found.signature != signature {
        let own = found.signature;
        return Err(format!(
            "it is for `{signature}`, and this program has `{own}`"
        ));
    }
    Ok((id, found))
}

fn refused(path: &Path, reason: String) -> Error {
    Error::new(ErrorKind::SavedInput {
        path: path.display().to_string(),
        reason,
    })
}

impl fmt::Debug for SavedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedInput")
            .field("path", &self.path)
            .field("function", &self.function())
            .field("index", &self.index())
            .field("attempt", &self.attempt())
            .field("error", &self.error())
            .field("bytes", &self.arguments.len())
            .finish_non_exhaustive()
    }
}

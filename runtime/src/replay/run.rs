//! Repeating a call in the foreground.
//!
//! This is a mode that somebody asked for, to look at one call: so it prints, and it exits.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::SavedInput;
use super::saved::Found;
use crate::error::Failure;
use crate::object::Object;
use crate::registry::{Registration, table};
use crate::sys::ignore_broken_pipes;
use crate::task;
use crate::wire::{Arguments, Host, Items, Sink, Status, Untracked, Window};

/// Names the file of the call that is to be repeated.
const FILE: &str = "PARPROC_REPLAY";
/// Set to 1, the call is repeated even if another build saved it.
pub(super) const ANY_BUILD: &str = "PARPROC_REPLAY_ANY_BUILD";
/// The variables of the mode. They are for one process, and removed before it runs anything of the user's.
pub(crate) const VARIABLES: [&str; 2] = [FILE, ANY_BUILD];

static ONE: AtomicU64 = AtomicU64::new(1);

/// What this process was started to repeat.
#[derive(Debug)]
pub(crate) struct Request {
    path: PathBuf,
    any_build: bool,
}

impl Request {
    /// From the environment; none in an ordinary process.
    pub(crate) fn from_environment() -> Option<Self> {
        let path = std::env::var_os(FILE).filter(|path| !path.is_empty())?;
        Some(Self {
            path: path.into(),
            any_build: std::env::var_os(ANY_BUILD).is_some_and(|value| value == "1"),
        })
    }

    /// Repeats the call, and ends the process.
    pub(crate) fn run(&self) -> ! {
        std::process::exit(repeat(self))
    }
}

/// Gives the exit code.
fn repeat(request: &Request) -> i32 {
    let found = SavedInput::open(&request.path).and_then(|input| {
        let found = input.find(table()?, request.any_build)?;
        Ok((input, found))
    });
    let (input, found) = match found {
        Ok(found) => found,
        Err(error) => {
            eprintln!("parproc: nothing is repeated: {error}");
            return 2;
        }
    };
    let Found {
        function,
        init,
        batch,
    } = found;
    announce(&input, function);
    // As in a worker, and as Rust's start code has it.
    let _ = ignore_broken_pipes();
    if let Some(init) = init {
        let ending = call(init, input.init_arguments());
        eprintln!(
            "parproc: the pool's init function `{}` {ending}",
            init.name()
        );
        if !ending.is_good() {
            return ending.code().max(1);
        }
    }
    // The only item that this process begins.
    task::serve(&ONE);
    task::begin_chunk(&batch, 0);
    let ending = call(function, input.arguments());
    eprintln!("parproc: `{}` {ending}", function.name());
    ending.code()
}

fn announce(input: &SavedInput, function: &Registration) {
    let (index, attempt) = (input.index(), input.attempt());
    let bytes = input.arguments().len();
    eprintln!(
        "parproc: repeating `{}`, item {index}, with {bytes} bytes of arguments",
        input.function()
    );
    eprintln!(
        "parproc: what attempt {attempt} at it said: {}",
        input.error()
    );
    eprintln!(
        "parproc: for a breakpoint: `{}` is at {}",
        function.signature,
        function.place()
    );
}

/// How a call ended.
#[derive(Debug)]
enum Ending {
    Returned { bytes: usize, is_err: bool },
    Failed(Failure),
    Panicked,
}

impl Ending {
    /// False for an `Err` too.
    fn is_good(&self) -> bool {
        matches!(self, Self::Returned { is_err: false, .. })
    }

    fn code(&self) -> i32 {
        match self {
            Self::Returned { .. } => 0,
            Self::Failed(_) => 1,
            Self::Panicked => 101,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned { bytes, is_err } => {
                let what = if *is_err { " an `Err`" } else { "" };
                write!(f, "returned{what}: its result has {bytes} bytes")
            }
            Self::Failed(failure) => write!(f, "gave no result: {failure}"),
            // The message was printed when it was raised.
            Self::Panicked => f.write_str("panicked"),
        }
    }
}

fn call(function: &Registration, bytes: &[u8]) -> Ending {
    let arguments = Arguments::from_bytes(bytes, 0);
    let (mut last, mut scratch) = (Last::default(), Vec::new());
    let (each, untracked) = (function.arguments, Untracked::default());
    let track = untracked.track();
    (function.call)(&mut Items::new(
        arguments,
        each,
        track,
        None,
        &mut last,
        &mut scratch,
    ));
    last.ending.unwrap_or(Ending::Returned {
        bytes: last.bytes,
        is_err: last.is_err,
    })
}

/// What is told of the last record.
#[derive(Debug, Default)]
struct Last {
    bytes: usize,
    is_err: bool,
    /// If it did not return.
    ending: Option<Ending>,
}

impl Host for Last {
    fn look(&mut self, begun: u32, _window: &Window<'_>) -> u32 {
        u32::from(begun == 0)
    }

    fn failed(&mut self, failure: Failure) {
        self.ending = Some(Ending::Failed(failure));
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        // The process ends behind a panic, so nothing that it broke is used again.
        std::mem::forget(payload);
        self.ending = Some(Ending::Panicked);
    }
}

impl Sink for Last {
    fn record(&mut self, _status: Status, bytes: &[u8]) {
        self.bytes = bytes.len();
    }

    fn carry(&mut self, _objects: Vec<Arc<Object>>) -> io::Result<()> {
        Ok(())
    }

    fn value(&mut self, type_name: &'static str, bytes: &[u8]) {
        // A `Result` is written as the number of its variant and what that holds.
        self.is_err = type_name.starts_with("core::result::Result<") && bytes.first() == Some(&1);
        self.record(Status::Value, bytes);
    }
}

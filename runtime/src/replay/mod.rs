//! Failed calls, kept to be repeated.
//!
//! A pool that is given a folder, by [`crash_dir`](crate::PoolBuilder::crash_dir) or by the variable
//! `PARPROC_CRASH_DIR`, keeps the input of each item that fails there, one file an item: those that crash their
//! worker, run too long, use too much memory or panic, and those whose argument or result does not pass between
//! the processes. An item that is tried again is kept when its last attempt has failed. Results that are an
//! `Err` are results, and cancelled items did not fail. [`TaskError::saved_input`](crate::TaskError::saved_input)
//! gives the file.
//!
//! ```
//! use parproc::replay::SavedInput;
//! use parproc::{Pool, parallel};
//!
//! #[parallel]
//! fn checked(x: u32) -> u32 {
//!     assert!(x != 2, "two is too much");
//!     x
//! }
//!
//! # let folder = std::env::temp_dir().join(format!("parproc-doc-{}", std::process::id()));
//! let pool = Pool::builder().crash_dir(&folder).build()?;
//! let outcomes = pool.outcomes(checked, 0..4)?;
//! let error = outcomes[2].as_ref().unwrap_err();
//! let input = SavedInput::open(error.saved_input().expect("it was kept"))?;
//! assert_eq!(input.index(), 2);
//! assert!(input.error().contains("two is too much"));
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! # Repeating a call
//!
//! With `PARPROC_REPLAY=file` the program does nothing but that call. It does not enter `main`; the function runs
//! in the very process that was started, with nothing of parproc's around it: no worker, no time or memory limit,
//! no signal handler. So a debugger is put before it as before any program:
//!
//! ```text
//! $ PARPROC_CRASH_DIR=crashes ./app
//! Error: TaskError(`app::parse`, item 17: its worker was ended by signal 11 (SIGSEGV, a segmentation fault) at
//! address 0x0 (worker 4711, after 1.2 ms); `PARPROC_REPLAY=/home/me/crashes/parse-17-4711-1760000000123456789.parproc <program>`
//! repeats the call)
//! $ PARPROC_REPLAY=crashes/parse-17-4711-1760000000123456789.parproc gdb ./app
//! (gdb) run
//! ```
//!
//! For a crash on another machine, in CI say, keep the folder and the program itself as artifacts of the run, and
//! repeat the call with these two:
//!
//! ```text
//! PARPROC_CRASH_DIR=crashes cargo test     # in CI; then keep crashes/ and target/debug/deps/
//! PARPROC_REPLAY=crashes/parse-….parproc rust-gdb target/debug/deps/tests-0123456789abcdef
//! ```
//!
//! What is called, and how it ended, is printed to standard error. The exit code is 0 when the function returned,
//! 101 when it panicked, 1 when its argument or its result did not pass, and 2 when the file was refused; a crash
//! is a crash.
//!
//! The item has the same index, attempt and [seed](crate::task::seed) as before. If the pool has an [`init`](crate::PoolBuilder::init) function, that runs first, with its arguments.
//!
//! # Which program repeats which call
//!
//! The program has to be of the same build as the one that saved the input: the same version of parproc, the same
//! functions (names, signatures and places in the source), and the same build id, which the linker derives from
//! the contents of the program. A program without a build id is known by its size and a checksum. Libraries that
//! are loaded when it starts are not looked at.
//!
//! With `PARPROC_REPLAY_ANY_BUILD=1` another build repeats the call too, to see whether a change helps, say: as
//! long as it has the same version of parproc and a function with the same name and signature. Whether the types
//! of the arguments are still the same is not known then.

mod build;
mod file;
mod keep;
mod run;
mod saved;

pub(crate) use keep::{Call, keep};
pub(crate) use run::{Request, VARIABLES};
pub use saved::SavedInput;

#[cfg(test)]
mod tests;

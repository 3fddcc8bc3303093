//! Process parallelism by annotation.
//!
//! ```
//! use parproc::{par_map, parallel};
//!
//! #[parallel]
//! fn square(x: u64) -> u64 {
//!     x * x
//! }
//!
//! fn main() -> parproc::Result<()> {
//!     let squares: Vec<u64> = par_map(square, 0..10)?;
//!     assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
//!     assert_eq!(square(3), 9); // still an ordinary function
//!     Ok(())
//! }
//! ```
//!
//! [`#[parallel]`](macro@parallel) registers a function; [`par_map`] calls it on many items in worker
//! processes. The workers are this same program, executed again: they are caught before `main` and
//! never enter it, so no guard and no initialisation is needed, in tests, doctests and benches
//! neither. A task that panics, aborts, faults, overflows its stack or exits costs its own item and
//! nothing else:
//!
//! ```
//! use parproc::{Pool, parallel};
//!
//! #[parallel]
//! fn risky(x: i32) -> i32 {
//!     match x {
//!         1 => std::process::abort(),
//!         2 => panic!("two is too much"),
//!         _ => 10 * x,
//!     }
//! }
//!
//! let outcomes = Pool::global()?.outcomes(risky, 0..4)?;
//! assert_eq!(*outcomes[0].as_ref().unwrap(), 0);
//! assert!(outcomes[1].as_ref().unwrap_err().is_crash());
//! assert_eq!(outcomes[2].as_ref().unwrap_err().panic_message(), Some("two is too much"));
//! assert_eq!(*outcomes[3].as_ref().unwrap(), 30);
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! Pages to read on: [`guide::python`] for people from Python's multiprocessing, joblib or Ray,
//! [`guide::failure`], [`guide::sharing`], [`guide::observing`], [`guide::logs`], [`guide::speed`],
//! [`guide::profiling`] and [`guide::scale`].
//!
//! # When not to use it
//!
//! | your work | best done by | since there |
//! | --- | --- | --- |
//! | computes in Rust, neither crashes nor hangs, on data that is shared | threads: rayon | an item costs a few nanoseconds and nothing is copied; but a fault ends the program, and a thread that hangs is never given back |
//! | may crash, hang, leak or grow; calls C libraries with global state; needs limits for each item | parproc | an item costs itself and nothing else, and libraries are not shared |
//! | is another program | [`std::process::Command`] | that is all it takes; parproc runs functions of this program |
//! | waits for thousands of connections | an async runtime: tokio, smol | waiting costs no thread; what computes or may crash is a [`Task`] to `.await` there |
//! | runs code of strangers | a container, a virtual machine, WebAssembly | it has no rights; a task of parproc has those of the program |
//! | goes on while machines come and go, or runs on another system than Linux | a queue of jobs; threads | parproc has the machines that [`mpirun` or `srun`](guide::cluster) start it on, and knows Linux on x86_64 and aarch64 |
//!
//! # What it costs
//!
//! On 2 CPUs (`cargo bench -p parproc --bench compare` measures it; [`guide::speed`] tells what to do about it):
//!
//! | what | parproc | beside |
//! | --- | --- | --- |
//! | a number in a map, there and back | 10 ns | rayon 2.4 ns, Python's `Pool` 190 ns |
//! | a `String` of 20 bytes in a map, to its length | 53 ns | rayon 72 ns, Python 173 ns |
//! | a task of many that are submitted | 0.5 µs | rayon 0.6 µs, Python 30 µs |
//! | a call and its result, in a loop | 1.4 µs | rayon 5.7 µs, Python 91 µs |
//! | the same after a pause, when a worker has to wake up | 10 to 100 µs | a socket pair 8 to 110 µs |
//! | a program with 2 workers, from start to end | 3.7 ms | the same without workers 1.3 ms |
//! | a fresh process for one call | 1.7 ms | Python's `fork` 2.2 ms |
//! | a crash, to the next result | 1.6 ms, with a [spare](PoolBuilder::spares) 0.4 ms | Python hangs |
//! | an idle worker | 1.1 MiB, no processor time | Python 7 MiB |
//!
//! # Failure
//!
//! | what an item does | what its outcome says | what the pool does |
//! | --- | --- | --- |
//! | returns an `Err` | the value, as any other | nothing |
//! | panics | [`TaskError::is_panic`]: message, place, backtrace | keeps the worker |
//! | faults, aborts, overflows its stack, exits, is killed | [`TaskError::is_crash`]: signal or exit code, address | replaces the worker |
//! | runs past its [`timeout`](Job::timeout) | [`TaskError::is_timeout`] | kills the worker and what that started |
//! | passes its [`memory_limit`](Job::memory_limit), or exhausts the machine | [`TaskError::is_memory`] | the same |
//! | is cancelled, or its call runs out of time | [`TaskError::is_cancelled`], [`TaskError::is_timeout`] | drops it, or kills the worker that runs it |
//! | has a value that cannot be encoded or decoded | [`TaskError::is_encode`], [`TaskError::is_decode`] | keeps the worker |
//!
//! Other items are never affected: those that a dead worker had not begun run elsewhere, once. Items
//! that end their worker can be tried again: [`retries`](Job::retries). [`guide::failure`] tells the rest.
//!
//! ```
//! use std::time::Duration;
//! use parproc::{Pool, parallel};
//!
//! #[parallel(timeout = "100ms", memory_limit = "1GiB")]
//! fn steps(start: u64) -> u32 {
//!     let mut n = start;
//!     let mut steps = 0;
//!     while n != 1 {
//!         n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
//!         steps += 1;
//!     }
//!     steps
//! }
//!
//! let outcomes = Pool::global()?.outcomes(steps, [27, 0, 1])?;
//! assert_eq!(*outcomes[0].as_ref().unwrap(), 111);
//! let error = outcomes[1].as_ref().unwrap_err(); // half of 0 is 0, for ever
//! assert_eq!(error.time_limit(), Some(Duration::from_millis(100)));
//! assert_eq!(*outcomes[2].as_ref().unwrap(), 0);
//! # Ok::<(), parproc::Error>(())
//! ```
//!
//! A task has the rights of the program: nothing keeps it from deleting files or killing other
//! processes.
//!
//! # What to use
//!
//! | you want | call |
//! | --- | --- |
//! | **to run things** | |
//! | all results, or the first failure | [`par_map`], [`Pool::map`], [`items.par_map(f)`](ParallelItems) |
//! | the result or the failure of each item | [`Pool::outcomes`] |
//! | to stop at the first `Err` | [`Pool::try_map`] |
//! | results one by one from a long or endless input | [`Pool::imap`], [`Pool::imap_unordered`] |
//! | effects only | [`Pool::for_each`] |
//! | one call in the background | [`Pool::spawn`] |
//! | its end without waiting, or in async code | [`Task::try_join`], [`Task::on_done`], `task.await` |
//! | the first of several such calls, all, or each as it ends | [`wait_any`], [`wait_all`], [`as_completed`] |
//! | one call in a fresh process of its own | [`Process::spawn`], [`Process::builder`] |
//! | a state in a process of its own, which others call | [`actor`] |
//! | to set something for one call | [`Pool::job`] |
//! | everything in one process, for a debugger | [`PoolBuilder::inline`], `PARPROC_INLINE=1` |
//! | **limits and failures** | |
//! | a limit of time or memory for each item | [`Job::timeout`], [`Job::memory_limit`], the attribute's or the pool's |
//! | a time limit for a whole call, and what is finished by then | [`Job::deadline`] |
//! | to try again what crashed, hung or grew | [`Job::retries`], [`Job::backoff`], [`Job::memory_growth`] |
//! | to try again by value | [`Job::retry_if`] |
//! | an end to a storm of crashes | [`PoolBuilder::crash_budget`], [`PoolBuilder::quarantine_after`] |
//! | to end calls from elsewhere | [`CancelToken`], [`Task::cancel`], [`Pool::kill`] |
//! | to repeat a failed call under a debugger | [`PoolBuilder::crash_dir`], [`replay`] |
//! | how many attempts each item took, and what it printed | [`Job::reports`], [`Output`] |
//! | **data for all** | |
//! | to give large data to all tasks without copying it | [`Shared`] |
//! | an array or a value that tasks write | [`SharedArray`], [`SharedCell`] |
//! | tasks that each change a part of an array | [`par_chunks_mut`], [`SharedArray::split`] |
//! | a value that one task at a time changes | [`sync::Mutex`], [`sync::RwLock`] |
//! | tasks that wait for each other | [`sync::Barrier`], [`sync::Condvar`], [`sync::Event`], [`sync::Semaphore`] |
//! | messages between tasks, processes and the program | [`channel()`], [`channel::bounded`], [`channel::pipe`] |
//! | work for whoever is free, and to know when it is done | [`channel::Queue`] |
//! | the first of several channels, tasks and processes | [`channel::Select`] |
//! | channels of the crate ipc-channel in arguments | [`ipc`] |
//! | to know what this process shares | [`shared::stats`] |
//! | **long runs, and what one sees of them** | |
//! | to go on where a run that was ended had come to | [`Job::journal`] |
//! | the same random numbers in each run | [`task::seed`], [`Job::seed`] |
//! | a progress bar, and figures of what was done | [`Job::progress`], [`Pool::stats`] |
//! | a page, a trace or a live page of what workers do | [`PoolBuilder::report`], [`PoolBuilder::trace`], `PoolBuilder::dashboard` |
//! | to hear what tasks log, in the program's own subscriber or logger | the features `tracing` and `log`: [`guide::logs`] |
//! | to be told of everything that happens | [`observe`] |
//! | **workers** | |
//! | a pool of your own | [`Pool::builder`] |
//! | to load something once in each worker, and clean up | [`PoolBuilder::init`], [`PoolBuilder::exit`], [`worker`] |
//! | a number for each worker, to share out devices or ports | [`worker::id`] |
//! | more or fewer workers from now on | [`Pool::resize`] |
//! | a replacement that is ready when a worker crashes | [`PoolBuilder::spares`] |
//! | workers that are replaced now and then, or end when idle | [`PoolBuilder::max_tasks_per_worker`], [`PoolBuilder::max_memory_per_worker`], [`PoolBuilder::max_age_per_worker`], [`PoolBuilder::idle_timeout`] |
//! | other limits, priority, CPU, user, environment or folder | [`PoolBuilder::rlimit`], [`nice`](PoolBuilder::nice), [`pin_cpus`](PoolBuilder::pin_cpus), [`uid`](PoolBuilder::uid), [`env`](PoolBuilder::env), [`current_dir`](PoolBuilder::current_dir) |
//!
//! The variables of the environment that pools go by stand at [`PoolBuilder`].
//!
//! # Features of the crate
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `progress`, on unless turned off | progress bars in the terminal: [`Job::progress`] |
//! | `tracing` | spans and events of tasks arrive in the subscriber of the program that calls them |
//! | `log` | records of tasks arrive in its logger |
//! | `metrics` | `observe::Metrics`, for the crate of that name |
//! | `arrow` | `parproc::arrow`: record batches of Apache Arrow as arguments and results |
//! | `dashboard` | `PoolBuilder::dashboard`, `PARPROC_DASHBOARD`: a live page |
//! | `mpi` | under `mpirun` or `srun`, pools have the workers of all ranks: [`guide::cluster`] |
//!
//! The others are off unless asked for.
//!
//! # How it works
//!
//! Arguments and results travel as bytes in shared memory, in a ring for each direction and worker.
//! Numbers, vectors and slices of them, and text are copied whole, such vectors inside of other values
//! too; everything else goes through serde, in the postcard format, which does not carry `#[serde(flatten)]`,
//! untagged and internally tagged enums, and `skip_serializing_if`. Items go to workers in chunks, whose size
//! follows from what items were measured to cost. The worker publishes which item it runs, so after a death it
//! is known which item was lost; finished ones are kept, and those behind it run elsewhere, once.
//!
//! A function is found by its type in a table that the linker gathers: every
//! `#[parallel]` function of the program and of the crates that it uses is in there ([`functions`] lists them).
//! A worker enters that table before `main`, from a constructor, so what `main` would do first, such as
//! reading arguments or setting up a logger, is not done there.
//!
//! The kernel ends workers when the program ends, however that happens. In a worker every pool runs
//! its items itself ([`PoolBuilder::inline`]), so nested calls neither block nor multiply processes.
//!
//! Workers have the environment, the working directory and the standard output of the program unless the
//! pool's [builder](PoolBuilder) says otherwise, and `/dev/null` as standard input. What they write to
//! standard error is passed on to that of the program, and its last lines are in the errors of items that
//! fail; [`Output`] names the alternatives, such as capturing what each item writes. Statics have the
//! values that constructors gave them: what `main` stored in them is not there. What tasks need besides
//! their arguments is made by an [init function](PoolBuilder::init).

pub mod actor;
#[cfg(feature = "arrow")]
pub mod arrow;
pub mod channel;
mod error;
mod event;
mod family;
mod format;
pub mod guide;
pub mod ipc;
mod journal;
mod object;
pub mod observe;
mod pool;
mod registry;
pub mod replay;
pub mod shared;
mod shm;
pub mod sync;
mod sys;
pub mod task;
#[cfg(feature = "mpi")]
mod transport;
mod wire;
pub mod worker;

pub use channel::{Pipe, Receiver, Sender, bounded, channel, pipe};
pub use error::{Error, Result, TaskError, TryMapError};
pub use pool::{
    AsCompleted, Backoff, CancelToken, Imap, ImapUnordered, InitOutput, Job, Output, ParallelItems,
    Pool, PoolBuilder, Process, ProcessBuilder, ProcessInfo, Report, Resource, Task,
    active_processes, as_completed, par_chunks_mut, par_map, wait_all, wait_all_timeout, wait_any,
    wait_any_timeout,
};
pub use registry::{Function, FunctionInfo, functions};
pub use shared::{Shared, SharedArray, SharedCell, SharedPart};
pub use worker::gate::init;

pub use bytemuck;

/// What most programs need, for `use parproc::prelude::*`: the attribute, the pool, and [the calls as methods of
/// whatever can be iterated](ParallelItems).
///
/// ```
/// use parproc::prelude::*;
///
/// #[parallel]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// assert_eq!((0..5).par_map(square)?, [0, 1, 4, 9, 16]);
/// # Ok::<(), parproc::Error>(())
/// ```
pub mod prelude {
    pub use crate::{ParallelItems as _, Pool, parallel};
}

/// Runs the snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// What a [`Job`] is made with besides its function.
pub mod job {
    pub use crate::pool::{Decide, Decision, Final, Retrying};
}

/// Makes a function callable in worker processes.
///
/// The function stays what it is: it can be called, passed and tested as before. It goes on a free
/// function, wherever that stands, or on an inherent `impl` block, whose functions it registers: with
/// methods among them, the type is an [actor]. A function has up to eight arguments.
///
/// ```
/// use parproc::{par_map, parallel};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Circle {
///     radius: f64,
/// }
///
/// #[parallel]
/// fn area(circle: &Circle) -> f64 {
///     3.0 * circle.radius.powi(2)
/// }
///
/// #[parallel]
/// impl Circle {
///     fn unit(scale: f64) -> Circle {
///         Circle { radius: scale }
///     }
/// }
///
/// #[parallel(for(T = [u32, String]))]
/// fn identity<T>(value: T) -> T {
///     value
/// }
///
/// let circles = par_map(Circle::unit, [1.0, 2.0])?;
/// assert_eq!(par_map(area, &circles)?, [3.0, 12.0]);
/// assert_eq!(par_map(identity::<u32>, [7])?, [7]);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// Arguments are owned values that implement serde's `Serialize` and `Deserialize`, or `&str`, `&[T]`,
/// `&T` and `&Path` of such, which the worker decodes and lends. The result is an owned value of that kind.
/// So is an error in it, which `anyhow::Error` and many others are not: return text in their place, with
/// `.map_err(|error| format!("{error:#}"))`, or a serialisable type of your own.
///
/// In an `impl` block the options of one function stand at that function: `#[parallel(name = "…")]`.
///
/// An argument `&mut [T]` is a part of a [`SharedArray`], which the function changes in place: see
/// [`par_chunks_mut`].
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "…"` | the name to register instead of the function's path |
/// | `for(T = [A, B], N = [1, 2])` | the instances of a generic function to register: all combinations |
/// | `handle = "…"` | the name of the handle of a block with methods, instead of that of its type with `Handle` behind it |
/// | `crate = path` | where parproc is, if not at `::parproc` |
/// | `timeout = "2s"` | how long a call may take, from its start in the worker: `"500ms"`, `"1min 30s"` |
/// | `memory_limit = "512MiB"` | how much memory the worker and its children may use: KiB, MiB, GiB by 1024, kB, MB, GB by 1000 |
/// | `retries = 3` | further attempts after a crash, a timeout or too much memory |
/// | `memory_growth = 2.0` | what the memory limit is multiplied by for the next attempt after too much memory |
///
/// The last four come before what the pool sets for all its calls, and after what a [`Job`] sets for
/// one. On an `impl` block they hold for its functions that do not set them.
///
/// ```
/// use parproc::parallel;
///
/// #[parallel(timeout = "2s", memory_limit = "512MiB", retries = 1)]
/// fn parse(text: &str) -> Result<f64, String> {
///     text.parse().map_err(|_| format!("not a number: {text}"))
/// }
///
/// let outcomes = parproc::Pool::global()?.outcomes(parse, ["1.5", "x"])?;
/// assert_eq!(*outcomes[0].as_ref().unwrap(), Ok(1.5));
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// What cannot work is an error at its place in the source: `async`, `unsafe` and `extern` functions,
/// `self` by value, `impl Trait` and other `&mut` arguments, variadics, generics without `for`, results that borrow.
pub use parproc_macros::parallel;

/// For the expansion of `#[parallel]` only.
#[doc(hidden)]
pub mod __private {
    pub use crate::actor::call::{Call, build, call};
    pub use crate::actor::handle::handle_of;
    pub use crate::actor::made::{Made, PutNothing};
    pub use crate::error::Failure;
    pub use crate::registry::{
        Encoder, Identity, Maker, Method, Registration, identity, maker, method,
    };
    pub use crate::shared::SharedPart;
    pub use crate::wire::{Argument, Arguments, Items, Output, Reply};
    pub use crate::worker::state::{keep, try_keep, with_state};
    pub use inventory;
    pub use serde;
}

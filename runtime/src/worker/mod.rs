//! What a task can ask of the worker that it runs in, and keep there for later tasks.
//!
//! State that is costly to make is made once in each worker, by the pool's
//! [`init`](crate::PoolBuilder::init) function, and used by its tasks without a lock:
//!
//! ```
//! use std::collections::HashMap;
//! use std::path::Path;
//! use parproc::{Pool, parallel, worker};
//!
//! struct Weights(HashMap<String, f64>);
//!
//! #[parallel]
//! fn load(path: &Path) -> Result<(), String> {
//!     let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
//!     let weight = |line: &str| {
//!         let (word, weight) = line.split_once(' ')?;
//!         Some((word.to_owned(), weight.parse().ok()?))
//!     };
//!     let weights = text.lines().map(weight).collect::<Option<_>>();
//!     worker::set_local(Weights(weights.ok_or("not a model")?));
//!     Ok(())
//! }
//!
//! #[parallel]
//! fn score(text: &str) -> f64 {
//!     worker::with_local(|Weights(weights)| text.split(' ').filter_map(|word| weights.get(word)).sum())
//!         .expect("what `load` has set")
//! }
//!
//! # let path = std::env::temp_dir().join(format!("parproc-doc-model-{}", std::process::id()));
//! # std::fs::write(&path, "good 1\nbad -1.5\n").unwrap();
//! let pool = Pool::builder().workers(2).init(load, path.as_path()).build()?;
//! let scores = pool.map(score, ["a good day", "bad and bad"]);
//! # std::fs::remove_file(&path).unwrap();
//! assert_eq!(scores?, [1.0, -3.0]);
//! # Ok::<(), parproc::Error>(())
//! ```

// What is not public here is the worker's side: the gate before `main`, the loop that serves, and what
// is kept of a panic.

mod attach;
mod carriage;
mod clock;
mod course;
pub(crate) mod gate;
mod guard;
mod link;
mod local;
#[cfg(feature = "_logs")]
mod logs;
#[cfg(not(feature = "_logs"))]
#[path = "logs_off.rs"]
mod logs;
mod orders;
mod output;
mod panic;
mod run;
mod serve;
pub(crate) mod state;

pub(crate) use attach::Attach;
pub(crate) use carriage::Subject;
pub(crate) use clock::ItemClock;
#[cfg(feature = "mpi")]
pub(crate) use gate::is_asked_for;
pub(crate) use gate::{can_start_workers, is_worker};
pub(crate) use guard::{GuardAttach, NAME as GUARD_NAME};
pub use local::{id, set_local, with_local};
pub(crate) use orders::Orders;
pub(crate) use panic::{Recording, forget, panics};
pub(crate) use run::{record_failure, record_panic};

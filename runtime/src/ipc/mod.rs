//! Channels of the crate [`ipc_channel`] inside of arguments, results and messages.
//!
//! Its `IpcSender`, `IpcReceiver`, their byte and opaque forms and `IpcSharedMemory` can be arguments
//! and results of `#[parallel]` functions, alone or in vectors, tuples and options:
//!
//! ```
//! use ipc_channel::ipc::{self, IpcSender};
//! use parproc::{Pool, parallel};
//!
//! #[parallel]
//! fn count(to: u32, sink: IpcSender<u32>) {
//!     for n in 0..to {
//!         sink.send(n).expect("somebody listens");
//!     }
//! }
//!
//! let (sender, receiver) = ipc::channel()?;
//! let task = Pool::global()?.spawn(count, (3, sender))?;
//! assert_eq!([receiver.recv()?, receiver.recv()?, receiver.recv()?], [0, 1, 2]);
//! assert!(receiver.recv().is_err()); // the task had the only sender
//! task.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A field of a struct of your own says that it holds one, since nothing shows it from outside:
//!
//! ```
//! use ipc_channel::ipc::IpcSender;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order {
//!     number: u64,
//!     #[serde(with = "parproc::ipc")]
//!     reply: IpcSender<String>,
//! }
//! ```
//!
//! A receiver moves: the one that was an argument is of no use afterwards. A value holds 64 channels at
//! most, which is the crate's own limit. The channels of parproc are faster, and tell when
//! a peer is gone: see [`channel`](mod@crate::channel).

mod bridge;
mod value;

pub(crate) use value::holds;
pub use value::{deserialize, serialize};

#[cfg(test)]
mod tests;

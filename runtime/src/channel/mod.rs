//! Channels between processes: many senders, many receivers, any values.
//!
//! ```
//! use parproc::channel::{self, Receiver, Sender};
//! use parproc::{Pool, parallel};
//!
//! #[parallel]
//! fn double(numbers: Receiver<u64>, doubles: Sender<u64>) {
//!     for number in numbers {
//!         doubles.send(2 * number).expect("somebody waits for it");
//!     }
//! }
//!
//! let (numbers, tasks) = parproc::channel::<u64>()?;
//! let (results, doubles) = channel::bounded::<u64>(10)?;
//! let pool = Pool::builder().workers(2).build()?;
//! let workers = [0, 1].map(|_| pool.spawn(double, (tasks.clone(), results.clone())).unwrap());
//! drop((tasks, results));
//! numbers.send_many(0..100).unwrap();
//! drop(numbers); // the workers stop when nobody is left who could send
//! assert_eq!(doubles.iter().sum::<u64>(), 9900);
//! # for worker in workers { worker.join()?; }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Senders and receivers are values like others: they can be arguments or parts of arguments, results, and
//! messages of other channels. Messages are whatever serde can write; plain numbers and vectors of them
//! are copied as they are. Each message goes to one receiver, messages of one sender in order. The processes of one
//! machine share a channel: in a launch on [several](crate::guide::cluster), items whose arguments name one run on that
//! of the program.
//!
//! # When processes die
//!
//! A message is there as a whole or not at all, at whatever point its sender is killed. A receiver that is
//! killed takes with it at most the message that it was about to receive. The locks of a channel are handed on
//! by the kernel when their holders end, so nobody waits for the dead. A channel is disconnected when all
//! ends on the other side are gone; a sender that is on its way in a message, or that an argument of a waiting
//! task holds, is not gone.
//!
//! A copy that a process makes of itself (`fork` without `exec`) has copies of the descriptors of all its channels. As
//! long as it lives, the channel is not disconnected for those on the other side; so a task that leaves a copy
//! behind, as a C library may that starts a daemon, keeps who waits for the end of its messages waiting. A process
//! that is merely stopped keeps the channel connected as well; others go on sending and receiving beside it.
//!
//! # How it works
//!
//! Messages stand in a ring in shared memory, which grows when it is full, so sending costs no system call unless
//! somebody sleeps. Receivers sleep on an event counter, and both sides on the two ends of a socket pair,
//! which the kernel hangs up when nobody has the other end any more; through it go also the
//! descriptors of handles that messages contain, of 250 messages at a time. A channel takes three descriptors in each process
//! that has one of its ends, and one more in those that have both.

mod bytes;
mod core;
mod error;
mod iter;
mod load;
mod lock;
mod make;
mod outgoing;
mod patience;
mod pipe;
mod port;
mod put;
mod queue;
mod receive;
mod receiver;
mod region;
mod select;
mod send;
mod sender;
mod signs;
mod spin;
mod take;
mod tally;
mod words;

pub use error::{
    MessageError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
pub use iter::{IntoIter, Iter, TryIter};
pub use make::{bounded, channel};
pub use pipe::{Pipe, pipe};
pub use queue::{Queue, TaskDoneError};
pub use receiver::Receiver;
pub use select::Select;
pub(crate) use select::Selectable;
pub use sender::Sender;

#[cfg(test)]
mod tests;

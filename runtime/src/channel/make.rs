//! Making channels.

use std::io;

use super::put::capacity;
use super::{Receiver, Sender};
use crate::object::Tag;

/// Makes a channel that holds as many messages as there is memory for.
///
/// ```
/// let (sender, receiver) = parproc::channel::<String>()?;
/// sender.send("hello".to_owned()).unwrap();
/// assert_eq!(receiver.recv().unwrap(), "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Sending never waits, so a sender that is faster than the receivers fills the memory: see
/// [`bounded`](crate::channel::bounded). Of messages that contain handles (senders, shared values, locks…) the
/// system takes 250: while so many wait, sending one more is an
/// [error](crate::channel::MessageError::is_crowded). In a bounded channel it waits.
///
/// # Errors
/// When the system has no memory or no descriptors for it.
pub fn channel<T>() -> io::Result<(Sender<T>, Receiver<T>)> {
    create(None)
}

/// Makes a channel that holds `capacity` messages, of any size; more have to wait. Of messages that contain
/// handles (senders, shared values, locks…) it holds 250 at most.
///
/// ```
/// use parproc::channel::{self, TrySendError};
///
/// let (sender, receiver) = channel::bounded(1)?;
/// sender.send(1).unwrap();
/// assert!(matches!(sender.try_send(2), Err(TrySendError::Full(2))));
/// assert_eq!(receiver.recv().unwrap(), 1);
/// sender.try_send(2).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When `capacity` is 0 or a billion and more, or the system has no memory or no descriptors for it.
pub fn bounded<T>(capacity: usize) -> io::Result<(Sender<T>, Receiver<T>)> {
    create(Some(capacity))
}

fn create<T>(limit: Option<usize>) -> io::Result<(Sender<T>, Receiver<T>)> {
    let limit = limit.map(|limit| {
        capacity(limit as u64).ok_or_else(|| {
            let what = format!("a channel cannot hold {limit} messages");
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })
    });
    let (senders, receivers) = super::core::create(tag::<T>(), limit.transpose()?)?;
    Ok((Sender::new(senders), Receiver::new(receivers)))
}

/// What the memory of a channel for values of this type begins with.
pub(super) fn tag<T>() -> Tag {
    Tag::of::<T>("channel")
}

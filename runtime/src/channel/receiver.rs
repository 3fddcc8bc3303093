//! The receiving end.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::core::{Core, Limit, Port};
use super::error::{MessageError, RecvError, RecvTimeoutError, TryRecvError};
use super::iter::{Iter, TryIter};
use super::make::tag;
use super::outgoing::with_buffer;
use super::port;
use super::receive::{Silence, Taken};
use super::tally::Tally;
use crate::wire::{decode, land, landing};

/// The receiving end of a [channel](super::channel).
///
/// It can be cloned, and passed to any process of the family: in an argument, a result, or a message of
/// another channel. Each message goes to one of the receivers. The channel is disconnected for its
/// senders once all receivers are gone, dropped or with their processes; the messages that wait then
/// are lost. A receiver that is killed takes at most one message with it.
///
/// ```
/// use std::time::Duration;
/// use parproc::channel::{RecvTimeoutError, TryRecvError, channel};
///
/// let (sender, receiver) = channel::<u32>()?;
/// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
/// let nothing = receiver.recv_timeout(Duration::from_millis(10));
/// assert!(matches!(nothing, Err(RecvTimeoutError::Timeout)));
/// sender.send(1).unwrap();
/// sender.send(2).unwrap();
/// drop(sender);
/// assert_eq!(receiver.len(), 2);
/// assert_eq!(receiver.iter().sum::<u32>(), 3);
/// assert!(receiver.recv().unwrap_err().is_disconnected());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Receiver<T> {
    port: Port,
    /// Dropped after the port.
    _departure: Departure,
    marker: PhantomData<fn() -> T>,
}

impl<T> Receiver<T> {
    pub(super) fn new(port: Port) -> Self {
        Self {
            _departure: Departure(Arc::clone(&port.core)),
            port,
            marker: PhantomData,
        }
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    /// How many messages wait in the channel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.port.len()
    }

    /// True if no message waits in the channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if senders have to wait for room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.port.is_full()
    }

    /// How many messages may wait in the channel; none if there is no limit.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.port.capacity()
    }

    /// True if both are ends of one channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        self.port.memory.id() == other.port.memory.id()
    }
}

impl<T: DeserializeOwned + 'static> Receiver<T> {
    /// Receives the next message; waits for one when the channel is empty.
    ///
    /// # Errors
    /// When the channel is empty and no sender is left. Also when the next message cannot be decoded,
    /// which is gone then, and when the system has no memory or descriptors for it: then it stays in the
    /// channel.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receive(Limit::Never, None).map_err(RecvError::from)
    }

    /// Receives the next message if there is one.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv), and when the channel is empty.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.receive(Limit::Now, None).map_err(TryRecvError::from)
    }

    /// Receives the next message; waits for one for `timeout` at most.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv), and when none came in time.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let received = self.receive(Limit::after(timeout), None);
        received.map_err(RecvTimeoutError::from)
    }

    /// Receives what messages there are, `most` at most, to the end of `messages`, which costs less than
    /// one by one; waits when there is none. Gives how many there were.
    ///
    /// ```
    /// let (sender, receiver) = parproc::channel::<String>()?;
    /// sender.send_many(["a", "b", "c"].map(String::from)).unwrap();
    /// let mut messages = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut messages, 100).unwrap(), 3);
    /// assert_eq!(messages, ["a", "b", "c"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// A process that is killed may take all messages of the call with it.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv); messages that were received beside one that cannot be decoded are in
    /// `messages`.
    pub fn recv_many(&self, messages: &mut Vec<T>, most: usize) -> Result<usize, RecvError> {
        if most == 0 {
            return Ok(0);
        }
        messages.push(self.recv()?);
        let mut count = 1;
        while count < most {
            let taken = with_buffer(|buffer| {
                // What cannot be taken now is told by the next call.
                let ends = self
                    .port
                    .take_many(buffer, most - count)
                    .unwrap_or_default();
                let mut outcome = Ok(ends.len());
                let mut start = 0;
                for end in ends {
                    match decode::<T>(&buffer[start..end]) {
                        Ok(message) => messages.push(message),
                        Err(reason) => outcome = Err(MessageError::decode::<T>(reason)),
                    }
                    start = end;
                }
                outcome
            });
            match taken.map_err(RecvError::Failed)? {
                0 if !self.port.has_news() => break,
                // One that does not travel with others.
                0 => match self.receive(Limit::Now, None) {
                    Ok(message) => {
                        messages.push(message);
                        count += 1;
                    }
                    Err(Why::Silence(_)) => break,
                    Err(why) => return Err(why.into()),
                },
                taken => count += taken,
            }
        }
        Ok(count)
    }

    /// The messages as they come, until no sender is left.
    ///
    /// The iterator ends also when a message cannot be received; [`recv`](Self::recv) tells why.
    #[must_use = "iterators do nothing until they are used"]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// The messages that are there now; it never waits.
    #[must_use = "iterators do nothing until they are used"]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }

    /// A `tally` counts the message until it is done.
    pub(super) fn receive(&self, limit: Limit, tally: Option<&Tally>) -> Result<T, Why> {
        with_buffer(|buffer| {
            let taken = self.port.wait_for(limit, |port| match tally {
                None => port.take(buffer, landing::<T>),
                Some(_) if !port.has_news() => Ok(None),
                Some(tally) => {
                    tally.begin()?;
                    let taken = port.take(buffer, landing::<T>);
                    if !matches!(taken, Ok(Some(_))) {
                        tally.cancel();
                    }
                    taken
                }
            });
            let message = open(taken.map_err(Why::Silence)?, buffer).map_err(Why::Decode);
            match (tally, &message) {
                (None, _) => {}
                (Some(tally), Ok(_)) => tally.took(),
                (Some(tally), Err(_)) => tally.cancel(),
            }
            message
        })
    }
}

/// Why no message was received.
pub(super) enum Why {
    Silence(Silence),
    Decode(MessageError),
}

impl From<Why> for RecvError {
    fn from(why: Why) -> Self {
        match why {
            Why::Silence(Silence::Failed(error)) => Self::Failed(MessageError::system(error)),
            Why::Silence(_) => Self::Disconnected,
            Why::Decode(error) => Self::Failed(error),
        }
    }
}

impl From<Why> for TryRecvError {
    fn from(why: Why) -> Self {
        match why {
            Why::Silence(Silence::Empty) => Self::Empty,
            Why::Silence(Silence::Disconnected) => Self::Disconnected,
            Why::Silence(Silence::Failed(error)) => Self::Failed(MessageError::system(error)),
            Why::Decode(error) => Self::Failed(error),
        }
    }
}

impl From<Why> for RecvTimeoutError {
    fn from(why: Why) -> Self {
        match why {
            Why::Silence(Silence::Empty) => Self::Timeout,
            Why::Silence(Silence::Disconnected) => Self::Disconnected,
            Why::Silence(Silence::Failed(error)) => Self::Failed(MessageError::system(error)),
            Why::Decode(error) => Self::Failed(error),
        }
    }
}

/// Decodes a message, while what its handles name is held.
fn open<T: DeserializeOwned + 'static>(taken: Taken, buffer: &[u8]) -> Result<T, MessageError> {
    let Taken { landing, objects } = taken;
    let value = match landing {
        Some(landing) => land(landing),
        None => decode(buffer),
    };
    drop(objects);
    value.map_err(MessageError::decode::<T>)
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(self.port.clone())
    }
}

/// Has senders look whether there are other receivers.
struct Departure(Arc<Core>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.departures().fetch_add(1, Ordering::Release);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        port::debug(&self.port, "Receiver", f)
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        port::serialize(&self.port, serializer)
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        port::deserialize(tag::<T>(), deserializer).map(Self::new)
    }
}

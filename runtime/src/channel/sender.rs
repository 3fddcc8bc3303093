//! The sending end.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::core::{Limit, Port};
use super::error::{MessageError, SendError, SendTimeoutError, TrySendError};
use super::load::Load;
use super::make::tag;
use super::outgoing::{IN_PLACE_FROM, Outgoing, encode, plain_header, with_buffer};
use super::port;
use super::send::Stop;
use crate::wire::plain_bytes;

/// Bytes of messages that [`Sender::send_many`] puts at once.
const BATCH_BYTES: usize = 32 << 10;
/// Messages that it puts at once.
const BATCH: usize = 512;

/// The sending end of a [channel](super::channel).
///
/// It can be cloned, and passed to any process of the family: in an argument, a result, or a message of
/// another channel. The channel is disconnected for its receivers once all senders of it are gone,
/// dropped or with their processes.
///
/// That a message was sent does not say that it will be received: the last receiver may go while messages
/// wait. When a receiver is killed that no process of the family has started, or when one is lost on its
/// way, a few messages may still be accepted before sending fails.
///
/// ```
/// use std::time::Duration;
/// use parproc::channel::{SendTimeoutError, TrySendError, bounded};
///
/// let (sender, receiver) = bounded(1)?;
/// sender.send(1).unwrap();
/// assert!(matches!(sender.try_send(2), Err(TrySendError::Full(2))));
/// let late = sender.send_timeout(2, Duration::from_millis(10));
/// assert!(matches!(late, Err(SendTimeoutError::Timeout(2))));
/// drop(receiver);
/// let error = sender.send(3).unwrap_err();
/// assert!(error.is_disconnected());
/// assert_eq!(error.into_inner(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Sender<T> {
    port: Port,
    marker: PhantomData<fn(T)>,
}

impl<T> Sender<T> {
    pub(super) fn new(port: Port) -> Self {
        Self {
            port,
            marker: PhantomData,
        }
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    /// The same for all ends of one channel, in all processes.
    pub(crate) fn id(&self) -> u64 {
        self.port.memory.id()
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

    /// True if sending would wait for room, were it for a message with handles.
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

/// Why a message was not sent.
enum Refusal {
    Stop(Stop),
    Encode(MessageError),
}

impl<T: Serialize + DeserializeOwned + 'static> Sender<T> {
    /// Sends a message; waits for room when the channel is full.
    ///
    /// # Errors
    /// When no receiver is left, or the message cannot be encoded, or the system is out of memory or of
    /// descriptors; in a channel without limit also when it contains handles and
    /// [250 such messages](MessageError::is_crowded) wait. The error has the message.
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        match self.put(&message, Limit::Never) {
            Ok(()) => Ok(()),
            Err(Refusal::Encode(error)) => Err(SendError::Failed(message, error)),
            Err(Refusal::Stop(Stop::Crowded)) => {
                Err(SendError::Failed(message, MessageError::crowded()))
            }
            Err(Refusal::Stop(Stop::Disconnected | Stop::Full)) => {
                Err(SendError::Disconnected(message))
            }
            Err(Refusal::Stop(Stop::Failed(error))) => {
                Err(SendError::Failed(message, MessageError::system(error)))
            }
        }
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and when the channel is full. The error has the message.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.put(&message, Limit::Now) {
            Ok(()) => Ok(()),
            Err(Refusal::Encode(error)) => Err(TrySendError::Failed(message, error)),
            Err(Refusal::Stop(Stop::Full)) => Err(TrySendError::Full(message)),
            Err(Refusal::Stop(Stop::Crowded)) => {
                Err(TrySendError::Failed(message, MessageError::crowded()))
            }
            Err(Refusal::Stop(Stop::Disconnected)) => Err(TrySendError::Disconnected(message)),
            Err(Refusal::Stop(Stop::Failed(error))) => {
                Err(TrySendError::Failed(message, MessageError::system(error)))
            }
        }
    }

    /// Sends a message; waits for room for `timeout` at most.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and when the channel is full for that long. The error has the
    /// message.
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        match self.put(&message, Limit::after(timeout)) {
            Ok(()) => Ok(()),
            Err(Refusal::Encode(error)) => Err(SendTimeoutError::Failed(message, error)),
            Err(Refusal::Stop(Stop::Full)) => Err(SendTimeoutError::Timeout(message)),
            Err(Refusal::Stop(Stop::Crowded)) => {
                Err(SendTimeoutError::Failed(message, MessageError::crowded()))
            }
            Err(Refusal::Stop(Stop::Disconnected)) => Err(SendTimeoutError::Disconnected(message)),
            Err(Refusal::Stop(Stop::Failed(error))) => Err(SendTimeoutError::Failed(
                message,
                MessageError::system(error),
            )),
        }
    }

    /// Sends messages in order, many at once, which costs less than one by one; waits for room when the
    /// channel is full. Gives how many there were.
    ///
    /// ```
    /// let (sender, receiver) = parproc::channel::<u32>()?;
    /// assert_eq!(sender.send_many(0..1000).unwrap(), 1000);
    /// assert!(receiver.try_iter().eq(0..1000));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`send`](Self::send). The error has those messages that were taken from the iterator and
    /// not sent, in order; the first of them is the one that failed.
    pub fn send_many(
        &self,
        messages: impl IntoIterator<Item = T>,
    ) -> Result<usize, SendError<Vec<T>>> {
        let mut messages = messages.into_iter();
        let mut sent = 0;
        let mut batch = Vec::new();
        loop {
            batch.extend(messages.by_ref().take(BATCH));
            if batch.is_empty() {
                return Ok(sent);
            }
            let mut done = 0;
            while done < batch.len() {
                let put = with_buffer(|buffer| self.put_batch(&batch[done..], buffer));
                match put {
                    Ok(count) => done += count,
                    Err(refusal) => {
                        batch.drain(..done);
                        return Err(match refusal {
                            Refusal::Encode(error) => SendError::Failed(batch, error),
                            Refusal::Stop(Stop::Disconnected | Stop::Full) => {
                                SendError::Disconnected(batch)
                            }
                            Refusal::Stop(Stop::Crowded) => {
                                SendError::Failed(batch, MessageError::crowded())
                            }
                            Refusal::Stop(Stop::Failed(error)) => {
                                SendError::Failed(batch, MessageError::system(error))
                            }
                        });
                    }
                }
            }
            sent += batch.len();
            batch.clear();
        }
    }

    fn put(&self, message: &T, limit: Limit) -> Result<(), Refusal> {
        if let Some(body) = plain_bytes(message).filter(|bytes| bytes.len() >= IN_PLACE_FROM) {
            return self.put_plain(body, limit);
        }
        with_buffer(|buffer| {
            let objects = encode(message, buffer).map_err(Refusal::Encode)?;
            let load = Load::new(objects).map_err(|error| Refusal::Stop(error.into()))?;
            let outgoing = Outgoing {
                bytes: buffer,
                body: &[],
                ends: &[],
                load: &load,
            };
            let put = self.port.put(&outgoing, 0, limit);
            put.map(|_| ()).map_err(Refusal::Stop)
        })
    }

    /// Puts a large value from where it is.
    fn put_plain(&self, body: &[u8], limit: Limit) -> Result<(), Refusal> {
        let outgoing = Outgoing {
            bytes: &plain_header(body.len()),
            body,
            ends: &[],
            load: &Load::NONE,
        };
        let put = self.port.put(&outgoing, 0, limit);
        put.map(|_| ()).map_err(Refusal::Stop)
    }

    /// Puts some of the messages, at least the first, and gives how many.
    fn put_batch(&self, messages: &[T], buffer: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut ends = Vec::with_capacity(messages.len());
        for message in messages {
            let large = plain_bytes(message).is_some_and(|bytes| bytes.len() >= IN_PLACE_FROM);
            let start = buffer.len();
            let objects = if large {
                None
            } else {
                encode(message, buffer).ok()
            };
            if !objects.is_some_and(|objects| objects.is_empty()) {
                // It goes by itself, or fails by itself, after those before it.
                buffer.truncate(start);
                break;
            }
            ends.push((buffer.len() / super::words::UNIT) as u64);
            if buffer.len() >= BATCH_BYTES {
                break;
            }
        }
        if ends.is_empty() {
            buffer.clear();
            return self.put(&messages[0], Limit::Never).map(|()| 1);
        }
        let outgoing = Outgoing {
            bytes: buffer,
            body: &[],
            ends: &ends,
            load: &Load::NONE,
        };
        let mut done = 0;
        while done < ends.len() {
            match self.port.put(&outgoing, done, Limit::Never) {
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                Err(stop) => return Err(Refusal::Stop(stop)),
            }
        }
        Ok(done)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self::new(self.port.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        port::debug(&self.port, "Sender", f)
    }
}

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        port::serialize(&self.port, serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        port::deserialize(tag::<T>(), deserializer).map(Self::new)
    }
}

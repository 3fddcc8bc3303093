//! Two channels as one: the ends of a conversation.

use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    Iter, Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, channel,
};

/// One end of a two-way connection, made by [`pipe`]: it sends an `S` and receives an `R`.
///
/// The other end is disconnected when this one is gone, dropped or with its process. An end can be cloned;
/// then each message goes to one of the clones.
///
/// ```
/// let (here, there) = parproc::pipe::<u32, String>()?;
/// here.send(7).unwrap();
/// let number = there.recv().unwrap();
/// there.send(number.to_string()).unwrap();
/// assert_eq!(here.recv().unwrap(), "7");
/// drop(there);
/// assert!(here.send(8).unwrap_err().is_disconnected());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Pipe<S, R> {
    sender: Sender<S>,
    receiver: Receiver<R>,
}

/// Makes a connection: one end sends messages of type `A` and receives those of type `B`, the other end the
/// other way round.
///
/// ```
/// use parproc::channel::{Pipe, pipe};
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn measure(texts: Pipe<usize, String>) {
///     while let Ok(text) = texts.recv() {
///         texts.send(text.len()).expect("somebody waits for it");
///     }
/// }
///
/// let (texts, theirs) = pipe::<String, usize>()?;
/// let process = Process::spawn(measure, theirs)?;
/// texts.send("hello".to_owned()).unwrap();
/// assert_eq!(texts.recv().unwrap(), 5);
/// drop(texts);
/// process.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the system has no memory or no descriptors for it.
pub fn pipe<A, B>() -> io::Result<(Pipe<A, B>, Pipe<B, A>)> {
    let (to_second, from_first) = channel()?;
    let (to_first, from_second) = channel()?;
    let first = Pipe {
        sender: to_second,
        receiver: from_second,
    };
    let second = Pipe {
        sender: to_first,
        receiver: from_first,
    };
    Ok((first, second))
}

impl<S, R> Pipe<S, R> {
    /// The sending half.
    #[must_use]
    pub fn sender(&self) -> &Sender<S> {
        &self.sender
    }

    /// The receiving half.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<R> {
        &self.receiver
    }

    /// Takes the halves apart, to be used in different places.
    #[must_use]
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        (self.sender, self.receiver)
    }
}

impl<S: Serialize + DeserializeOwned + 'static, R> Pipe<S, R> {
    /// Sends a message to the other end: [`Sender::send`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send(&self, message: S) -> Result<(), SendError<S>> {
        self.sender.send(message)
    }

    /// Sends a message without waiting: [`Sender::try_send`].
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send(&self, message: S) -> Result<(), TrySendError<S>> {
        self.sender.try_send(message)
    }

    /// Sends a message and waits for a limited time: [`Sender::send_timeout`].
    ///
    /// # Errors
    /// As for [`Sender::send_timeout`].
    pub fn send_timeout(&self, message: S, timeout: Duration) -> Result<(), SendTimeoutError<S>> {
        self.sender.send_timeout(message, timeout)
    }
}

impl<S, R: DeserializeOwned + 'static> Pipe<S, R> {
    /// Receives the next message of the other end: [`Receiver::recv`].
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    pub fn recv(&self) -> Result<R, RecvError> {
        self.receiver.recv()
    }

    /// Receives a message that is there: [`Receiver::try_recv`].
    ///
    /// # Errors
    /// As for [`Receiver::try_recv`].
    pub fn try_recv(&self) -> Result<R, TryRecvError> {
        self.receiver.try_recv()
    }

    /// Receives a message and waits for a limited time: [`Receiver::recv_timeout`].
    ///
    /// # Errors
    /// As for [`Receiver::recv_timeout`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// The messages as they come, until the other end is gone: [`Receiver::iter`].
    #[must_use = "iterators do nothing until they are used"]
    pub fn iter(&self) -> Iter<'_, R> {
        self.receiver.iter()
    }
}

impl<S, R> Clone for Pipe<S, R> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
        }
    }
}

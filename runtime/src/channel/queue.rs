//! Work that is to be done, and waiting until it is.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::core::Limit;
use super::tally::Tally;
use super::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, channel,
};

/// A queue of work, which knows when all of it is done.
///
/// It is a channel of which every handle has both ends, so it is never disconnected. Who has received a message
/// calls [`task_done`](Queue::task_done) when its work is done, and [`join`](Queue::join) waits until
/// that has happened for all messages.
///
/// ```
/// use parproc::channel::Queue;
/// use parproc::{Pool, parallel};
///
/// #[parallel]
/// fn work(queue: Queue<Option<u32>>) {
///     while let Ok(Some(_number)) = queue.recv() {
///         // …
///         queue.task_done().expect("one was received");
///     }
/// }
///
/// let queue = Queue::new()?;
/// let pool = Pool::builder().workers(2).build()?;
/// let workers = [0, 1].map(|_| pool.spawn(work, queue.clone()).expect("an open pool"));
/// queue.send_many((0..100).map(Some)).unwrap();
/// queue.join();
/// assert!(queue.is_empty());
/// queue.send_many([None, None]).unwrap();
/// for worker in workers {
///     worker.join()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `task_done` counts for the process that has received the message, on any of its threads. What a process had
/// received when it died counts as done: nobody else has it, and nobody waits for the dead. The same goes for what
/// it had received when it dropped its last handle of the queue, as a task does that returns or panics
/// in the middle of its work. Whoever started the process or the task learns of its failure, and can send the work
/// again. A message that cannot be decoded is done as well.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Queue<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    tally: Tally,
}

/// [`Queue::task_done`] was called more often than messages were received by the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskDoneError(());

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done was called more often than this process has received messages")
    }
}

impl std::error::Error for TaskDoneError {}

impl<T> Queue<T> {
    /// Makes a queue that holds as many messages as there is memory for.
    ///
    /// # Errors
    /// When the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Self::of(channel()?)
    }

    /// Makes a queue that holds `capacity` messages; more have to wait.
    ///
    /// # Errors
    /// As for [`bounded`], and as for [`new`](Self::new).
    pub fn bounded(capacity: usize) -> io::Result<Self> {
        Self::of(bounded(capacity)?)
    }

    fn of((sender, receiver): (Sender<T>, Receiver<T>)) -> io::Result<Self> {
        Ok(Self {
            sender,
            receiver,
            tally: Tally::new()?,
        })
    }

    /// One message that this process has received is done.
    ///
    /// ```
    /// let queue = parproc::channel::Queue::new()?;
    /// queue.send(7).unwrap();
    /// assert_eq!(queue.recv().unwrap(), 7);
    /// queue.task_done().unwrap();
    /// assert!(queue.task_done().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is none that is not done yet.
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        if self.tally.done() {
            Ok(())
        } else {
            Err(TaskDoneError(()))
        }
    }

    /// Waits until all messages that were sent are done.
    pub fn join(&self) {
        self.tally.join(self.receiver.port(), None);
    }

    /// As [`join`](Self::join), but waits for `timeout` at most; says whether all was done in time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = parproc::channel::Queue::new()?;
    /// queue.send(1).unwrap();
    /// assert!(!queue.join_timeout(Duration::from_millis(10)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "it says whether all is done"]
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        // A time past what the clock can say is no limit.
        let deadline = Instant::now().checked_add(timeout);
        self.tally.join(self.receiver.port(), deadline)
    }

    /// How many messages wait to be received.
    #[must_use]
    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    /// True if no message waits to be received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// True if sending would wait for room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.sender.is_full()
    }

    /// How many messages may wait; none if there is no limit.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.sender.capacity()
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Queue<T> {
    /// Sends a message: [`Sender::send`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.sender.send(message)
    }

    /// Sends a message without waiting: [`Sender::try_send`].
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(message)
    }

    /// Sends a message and waits for a limited time: [`Sender::send_timeout`].
    ///
    /// # Errors
    /// As for [`Sender::send_timeout`].
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.sender.send_timeout(message, timeout)
    }

    /// Sends many messages at once: [`Sender::send_many`].
    ///
    /// # Errors
    /// As for [`Sender::send_many`].
    pub fn send_many(
        &self,
        messages: impl IntoIterator<Item = T>,
    ) -> Result<usize, SendError<Vec<T>>> {
        self.sender.send_many(messages)
    }
}

impl<T: DeserializeOwned + 'static> Queue<T> {
    /// Receives the next message; waits for one when there is none.
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    pub fn recv(&self) -> Result<T, RecvError> {
        let received = self.receiver.receive(Limit::Never, Some(&self.tally));
        received.map_err(RecvError::from)
    }

    /// Receives the next message if there is one.
    ///
    /// # Errors
    /// As for [`Receiver::try_recv`].
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let received = self.receiver.receive(Limit::Now, Some(&self.tally));
        received.map_err(TryRecvError::from)
    }

    /// Receives the next message; waits for one for `timeout` at most.
    ///
    /// # Errors
    /// As for [`Receiver::recv_timeout`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let limit = Limit::after(timeout);
        let received = self.receiver.receive(limit, Some(&self.tally));
        received.map_err(RecvTimeoutError::from)
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
            tally: self.tally.clone(),
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

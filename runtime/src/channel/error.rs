//! What can go wrong with sending and receiving.

use std::error::Error;
use std::fmt;
use std::io;

/// Why one message could not be sent or received, though the channel is in order.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(untagged)] // which the format does not carry
/// enum Word {
///     Text(String),
///     Number(u32),
/// }
///
/// let (sender, receiver) = parproc::channel::<Word>()?;
/// sender.send(Word::Number(1)).unwrap();
/// match receiver.recv() {
///     Err(parproc::channel::RecvError::Failed(error)) => assert!(error.is_decode()),
///     _ => panic!("it cannot be read"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MessageError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Encode { value: &'static str, reason: String },
    Decode { value: &'static str, reason: String },
    System(io::Error),
    Crowded,
}

impl MessageError {
    pub(super) fn encode<T>(reason: String) -> Self {
        let value = std::any::type_name::<T>();
        Self {
            kind: Kind::Encode { value, reason },
        }
    }

    pub(super) fn decode<T>(reason: String) -> Self {
        let value = std::any::type_name::<T>();
        Self {
            kind: Kind::Decode { value, reason },
        }
    }

    pub(super) fn system(error: io::Error) -> Self {
        Self {
            kind: Kind::System(error),
        }
    }

    pub(super) fn crowded() -> Self {
        Self {
            kind: Kind::Crowded,
        }
    }

    /// True if the message contains handles, and so many messages with handles wait in a channel without limit
    /// that the system has no room for more: it takes 250 of them. They can be sent again when some were
    /// received. In a [`bounded`](super::bounded) channel they wait.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        matches!(self.kind, Kind::Crowded)
    }

    /// True if the value could not be made into bytes. Nothing was sent.
    #[must_use]
    pub fn is_encode(&self) -> bool {
        matches!(self.kind, Kind::Encode { .. })
    }

    /// True if the bytes that were received make no value of the type. They are gone.
    #[must_use]
    pub fn is_decode(&self) -> bool {
        matches!(self.kind, Kind::Decode { .. })
    }

    /// The system's error, if that is the reason: there is no memory for a message, say, or this process
    /// can have no more descriptors. The message stays where it is, with the sender or in the channel.
    #[must_use]
    pub fn system_error(&self) -> Option<&io::Error> {
        match &self.kind {
            Kind::System(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Encode { value, reason } => {
                write!(f, "a message of type `{value}` cannot be encoded: {reason}")
            }
            Kind::Decode { value, reason } => {
                write!(f, "a message of type `{value}` cannot be decoded: {reason}")
            }
            Kind::Crowded => f.write_str(
                "too many messages with handles wait in the channel: receive some, or make it bounded",
            ),
            Kind::System(_) => f.write_str("the channel could not use the system as it needs to"),
        }
    }
}

impl Error for MessageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::System(error) => Some(error),
            _ => None,
        }
    }
}

/// What [`Sender::send`](super::Sender::send) fails with; it has the message.
#[non_exhaustive]
pub enum SendError<T> {
    /// Nobody is left to receive it.
    Disconnected(T),
    /// It could not be put into the channel.
    Failed(T, MessageError),
}

/// What [`Sender::try_send`](super::Sender::try_send) fails with; it has the message.
#[non_exhaustive]
pub enum TrySendError<T> {
    /// As many messages wait as the channel holds.
    Full(T),
    /// Nobody is left to receive it.
    Disconnected(T),
    /// It could not be put into the channel.
    Failed(T, MessageError),
}

/// What [`Sender::send_timeout`](super::Sender::send_timeout) fails with; it has the message.
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// There was no room for it in time.
    Timeout(T),
    /// Nobody is left to receive it.
    Disconnected(T),
    /// It could not be put into the channel.
    Failed(T, MessageError),
}

/// What [`Receiver::recv`](super::Receiver::recv) fails with.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// The channel is empty, and nobody is left to send anything.
    Disconnected,
    /// The next message could not be received.
    Failed(MessageError),
}

/// What [`Receiver::try_recv`](super::Receiver::try_recv) fails with.
#[derive(Debug)]
#[non_exhaustive]
pub enum TryRecvError {
    /// The channel is empty.
    Empty,
    /// The channel is empty, and nobody is left to send anything.
    Disconnected,
    /// The next message could not be received.
    Failed(MessageError),
}

/// What [`Receiver::recv_timeout`](super::Receiver::recv_timeout) fails with.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// Nothing came in time.
    Timeout,
    /// The channel is empty, and nobody is left to send anything.
    Disconnected,
    /// The next message could not be received.
    Failed(MessageError),
}

const NO_RECEIVERS: &str = "sending on a channel without receivers";
const NO_SENDERS: &str = "receiving on an empty channel without senders";

macro_rules! send_error {
    ($name:ident $(, $variant:ident => $text:literal)?) => {
        impl<T> $name<T> {
            /// The message.
            #[must_use]
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$variant(value) => value,)?
                    Self::Disconnected(value) | Self::Failed(value, _) => value,
                }
            }

            /// True if nobody is left to receive it.
            #[must_use]
            pub fn is_disconnected(&self) -> bool {
                matches!(self, Self::Disconnected(_))
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str(concat!(stringify!($variant), "(..)")),)?
                    Self::Disconnected(_) => f.write_str("Disconnected(..)"),
                    Self::Failed(_, error) => f.debug_tuple("Failed").field(error).finish(),
                }
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(_) => f.write_str($text),)?
                    Self::Disconnected(_) => f.write_str(NO_RECEIVERS),
                    Self::Failed(_, error) => error.fmt(f),
                }
            }
        }

        impl<T> Error for $name<T> {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                match self {
                    Self::Failed(_, error) => error.source(),
                    _ => None,
                }
            }
        }
    };
}

macro_rules! recv_error {
    ($name:ident $(, $variant:ident => $text:literal)?) => {
        impl $name {
            /// True if the channel is empty and nobody is left to send anything.
            #[must_use]
            pub fn is_disconnected(&self) -> bool {
                matches!(self, Self::Disconnected)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)?
                    Self::Disconnected => f.write_str(NO_SENDERS),
                    Self::Failed(error) => error.fmt(f),
                }
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                match self {
                    Self::Failed(error) => error.source(),
                    _ => None,
                }
            }
        }
    };
}

send_error!(SendError);
send_error!(TrySendError, Full => "sending on a full channel");
send_error!(SendTimeoutError, Timeout => "a channel was full for too long");
recv_error!(RecvError);
recv_error!(TryRecvError, Empty => "receiving on an empty channel");
recv_error!(RecvTimeoutError, Timeout => "a channel was empty for too long");

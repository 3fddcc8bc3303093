//! What goes between an actor's owner and other processes that have handles of it.

use std::fmt;
use std::sync::Arc;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::channel::Sender;
use crate::error::{Error, TaskError};
use crate::object::{self, Object};
use crate::pool::{ActorOutcome, ActorValue};

/// Messages that the channels to and from an actor hold. They are bounded since sending waits then while there is no
/// room for more handles.
pub(super) const MANY: usize = 1 << 29;

/// To the owner. Each names the client, a process that calls.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Where the replies to a client go; comes before all else of it.
    Hello { client: u64, replies: Sender<Reply> },
    Call {
        client: u64,
        call: u64,
        function: u32,
        arguments: Blob,
        named: Named,
    },
    Order {
        client: u64,
        call: u64,
        order: Order,
    },
}

/// What a handle asks besides calls of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    Status,
    Shutdown,
    Kill,
}

/// What is told of an actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) is_alive: bool,
    pub(super) pid: Option<u32>,
    pub(super) restarts: u64,
}

/// To a client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    /// The number that the client gave the call.
    pub(super) call: u64,
    pub(super) answer: Answer,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Only to see whether the client is there.
    Nothing,
    Record(Written),
    Large(Written),
    Failed(Blob),
    Refused(Blob),
    Status(Status),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Written {
    bytes: Blob,
    pid: Option<u32>,
    attempt: u32,
    named: Named,
}

impl From<ActorOutcome> for Answer {
    fn from(outcome: ActorOutcome) -> Self {
        match outcome {
            ActorOutcome::Record(value) => Self::Record(value.into()),
            ActorOutcome::Large(value) => Self::Large(value.into()),
            ActorOutcome::Failed(error) => Self::Failed(Blob(error.to_bytes())),
            ActorOutcome::Refused(error) => Self::refusal(&error),
        }
    }
}

impl Answer {
    pub(super) fn refusal(error: &Error) -> Self {
        Self::Refused(Blob(error.to_bytes()))
    }

    /// What came of a call of `actor`.
    pub(super) fn into_outcome(self, actor: &str) -> ActorOutcome {
        match self {
            Self::Record(written) => ActorOutcome::Record(written.into()),
            Self::Large(written) => ActorOutcome::Large(written.into()),
            Self::Failed(Blob(bytes)) => match TaskError::from_bytes(&bytes) {
                Some(error) => ActorOutcome::Failed(error),
                None => ActorOutcome::Refused(Error::from_bytes(actor, &[])),
            },
            Self::Refused(Blob(bytes)) => ActorOutcome::Refused(Error::from_bytes(actor, &bytes)),
            Self::Nothing | Self::Status(_) => ActorOutcome::Refused(Error::from_bytes(actor, &[])),
        }
    }
}

impl From<ActorValue> for Written {
    fn from(value: ActorValue) -> Self {
        let ActorValue {
            bytes,
            pid,
            attempt,
            objects,
        } = value;
        Self {
            bytes: Blob(bytes),
            pid,
            attempt,
            named: Named(objects),
        }
    }
}

impl From<Written> for ActorValue {
    fn from(written: Written) -> Self {
        let Written {
            bytes: Blob(bytes),
            pid,
            attempt,
            named: Named(objects),
        } = written;
        Self {
            bytes,
            pid,
            attempt,
            objects,
        }
    }
}

/// Bytes in one piece.
#[derive(Debug, Default)]
pub(super) struct Blob(pub(super) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// What encoded arguments, or an encoded result, name: it comes along.
///
/// What did not get through is missing here, which makes the error of who decodes those bytes, and leaves the
/// message itself whole.
#[derive(Debug, Default)]
pub(super) struct Named(pub(super) Vec<Arc<Object>>);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a>(&'a Arc<Object>);

        impl Serialize for One<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                object::serialize(self.0, serializer)
            }
        }

        serializer.collect_seq(self.0.iter().map(One))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One(Option<Arc<Object>>);

        impl<'de> Deserialize<'de> for One {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // Its id is read in any case.
                Ok(Self(object::deserialize(deserializer).ok()))
            }
        }

        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("shared objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Named, A::Error> {
                let mut all = Vec::new();
                while let Some(One(one)) = sequence.next_element()? {
                    all.extend(one);
                }
                Ok(Named(all))
            }
        }

        deserializer.deserialize_seq(All)
    }
}

//! Calls of an actor that other processes make: bytes in, bytes out.

use std::sync::Arc;

use super::super::callbacks::Callback;
use super::super::chunk::{Delivery, Origin};
use super::super::logs::Context;
use super::super::rules::Rules;
use super::super::state::CallSpec;
use super::super::tasks::TaskKey;
use super::host::ActorPool;
use crate::error::{Error, ErrorKind, Result, TaskError};
use crate::object::Object;
use crate::registry::FunctionId;
use crate::wire::{Payload, landing};

/// What came of a call, not yet decoded.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The record of the result, or of a failure that the worker tells of.
    Record(Value),
    /// The bytes of a large result.
    Large(Value),
    Failed(TaskError),
    Refused(Error),
}

/// What a worker wrote.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) bytes: Vec<u8>,
    /// Who wrote it, and in which attempt.
    pub(crate) pid: Option<u32>,
    pub(crate) attempt: u32,
    /// What it names.
    pub(crate) objects: Vec<Arc<Object>>,
}

impl Outcome {
    fn of(delivery: Delivery) -> Self {
        let value = |bytes, origin: Origin, objects| Value {
            bytes,
            pid: origin.pid,
            attempt: origin.attempt,
            objects,
        };
        match delivery {
            Delivery::Records {
                origin,
                bytes,
                objects,
                ..
            } => Self::Record(value(bytes, origin, objects)),
            Delivery::Large {
                origin,
                mut landing,
                objects,
                ..
            } => {
                let bytes = landing.bytes_mut().to_vec();
                Self::Large(value(bytes, origin, objects))
            }
            Delivery::Failed { error, .. } => Self::Failed(error.in_process("an actor")),
            Delivery::Ended { ending, .. } => Self::Failed(ending.error("", 0)),
            Delivery::Aborted(error) => Self::Refused(error),
            Delivery::Returned(_) | Delivery::Unsaved(_) => {
                Self::Refused(nobody("its result was given to somebody else"))
            }
        }
    }

    /// The outcome as news of the task at `index` of its call.
    pub(super) fn into_delivery(self, index: usize) -> Delivery {
        let origin = |value: &Value| Origin {
            pid: value.pid,
            attempt: value.attempt,
        };
        match self {
            Self::Record(value) => Delivery::Records {
                first: index,
                count: 1,
                origin: origin(&value),
                bytes: value.bytes,
                row: false,
                objects: value.objects,
            },
            Self::Large(value) => Delivery::Large {
                index,
                origin: origin(&value),
                objects: value.objects,
                landing: Box::new(value.bytes),
            },
            Self::Failed(error) => Delivery::Failed { index, error },
            Self::Refused(error) => Delivery::Aborted(error),
        }
    }
}

fn nobody(reason: &str) -> Error {
    Error::new(ErrorKind::Start {
        reason: reason.to_owned(),
    })
}

impl ActorPool {
    /// Makes a call with arguments that another process encoded. `answer` is called once, here if the call
    /// is refused.
    pub(crate) fn forward(
        &self,
        function: FunctionId,
        payload: Payload,
        answer: impl FnOnce(Outcome) + Send + 'static,
    ) {
        let shared = self.pool().shared();
        let submit = || -> Result<TaskKey> {
            let spec = CallSpec {
                rules: shared.rules(function, Rules::default())?,
                context: Context::capture(),
                // Nobody here knows the type: bytes.
                ..CallSpec::of(function, landing::<Vec<u8>>)
            };
            Ok(shared.submit_one(function, spec, None, None, payload)?.0)
        };
        match submit() {
            Ok(key) => {
                let callback = Callback::new(|delivery| answer(Outcome::of(delivery)));
                if let Err(callback) = shared.call_when_done(Ok(key), callback) {
                    shared.give_up(key);
                    callback.call(Delivery::Aborted(nobody("no thread waits for its result")));
                }
            }
            Err(error) => answer(Outcome::Refused(self.in_words_of_actors(error))),
        }
    }
}

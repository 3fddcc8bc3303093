//! A call of an actor's method, from its arguments to its task.

use serde::Serialize;

use super::super::Task;
use super::super::logs::Context;
use super::super::rules::Rules;
use super::super::state::CallSpec;
use super::super::tasks::TaskKey;
use super::host::ActorPool;
use crate::error::{Error, ErrorKind, Failure, Result, TaskError};
use crate::registry::{FunctionId, NO_FUNCTION, Table, table};
use crate::wire::{Output, Payload, encode_argument, landing};

/// The function of a call and its arguments, as far as they are there.
#[derive(Debug)]
pub(crate) struct ActorCall {
    function: Result<FunctionId>,
    payload: Result<Payload, Failure>,
}

impl ActorCall {
    /// A call of the function that is registered under `F`.
    pub(crate) fn new<F: 'static>() -> Self {
        Self {
            function: table().and_then(Table::find::<F>),
            payload: Ok(Payload::default()),
        }
    }

    pub(crate) fn argument<T: Serialize>(&mut self, argument: T) {
        if let Ok(payload) = &mut self.payload
            && let Err(failure) = encode_argument(argument, payload)
        {
            self.payload = Err(failure);
        }
    }
}

impl ActorCall {
    /// The function and its arguments, for another process.
    pub(crate) fn into_parts(self) -> Result<(FunctionId, Payload)> {
        let function = self.function?;
        let payload = self.payload.map_err(|failure| {
            let name = table().map_or("", |table| table.name(function));
            TaskError::failed(name, 0, None, failure)
        })?;
        Ok((function, payload))
    }
}

impl ActorPool {
    /// Hands in the call. Whatever is wrong is the task's error.
    pub(crate) fn submit<R: Output>(&self, call: ActorCall) -> Task<R> {
        let function = *call.function.as_ref().unwrap_or(&NO_FUNCTION);
        let shared = self.pool().shared();
        match self.try_submit::<R>(call) {
            Ok(key) => Task::new(shared, key),
            Err(error) => Task::failed(shared, function, error),
        }
    }

    fn try_submit<R: Output>(&self, call: ActorCall) -> Result<TaskKey> {
        let shared = self.pool().shared();
        let (function, payload) = call.into_parts()?;
        let spec = CallSpec {
            rules: shared.rules(function, Rules::default())?,
            context: Context::capture(),
            ..CallSpec::of(function, landing::<R>)
        };
        let submitted = shared.submit_one(function, spec, None, None, payload);
        let (key, _) = submitted.map_err(|error| self.in_words_of_actors(error))?;
        Ok(key)
    }

    /// What an error about a pool means for an actor.
    pub(super) fn in_words_of_actors(&self, error: Error) -> Error {
        if error.is_pool_closed() {
            let actor = self.name().to_owned();
            Error::new(ErrorKind::ActorEnded { actor })
        } else {
            error
        }
    }
}

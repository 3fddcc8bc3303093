//! A call's error on its way to another process of the program.

use serde::{Deserialize, Serialize};

use super::{Error, ErrorKind, TaskError};

/// What is written of an error: what tells the cases of an actor's calls apart, and the words of all others.
#[derive(Debug, Serialize, Deserialize)]
enum Form {
    Task(Vec<u8>),
    ActorStart(String, String, Option<Vec<u8>>),
    ActorDied(String, String, Option<Vec<u8>>),
    ActorEnded(String),
    ActorKilled(String),
    Other(String),
}

impl Error {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let source = |source: &Option<TaskError>| source.as_ref().map(TaskError::to_bytes);
        let form = match &*self.kind {
            ErrorKind::Task(error) => Form::Task(error.to_bytes()),
            ErrorKind::ActorStart {
                actor,
                reason,
                source: task,
            } => Form::ActorStart(actor.clone(), reason.clone(), source(task)),
            ErrorKind::ActorDied {
                actor,
                reason,
                source: task,
            } => Form::ActorDied(actor.clone(), reason.clone(), source(task)),
            ErrorKind::ActorEnded { actor } => Form::ActorEnded(actor.clone()),
            ErrorKind::ActorKilled { actor } => Form::ActorKilled(actor.clone()),
            _ => Form::Other(self.to_string()),
        };
        // Texts and bytes can always be written.
        postcard::to_stdvec(&form).unwrap_or_default()
    }

    /// The error that was written for a call of `actor`.
    pub(crate) fn from_bytes(actor: &str, bytes: &[u8]) -> Self {
        let task = |bytes: Vec<u8>| TaskError::from_bytes(&bytes);
        let form = postcard::from_bytes(bytes)
            .unwrap_or_else(|_| Form::Other("what it said could not be read".to_owned()));
        Self::new(match form {
            Form::Task(bytes) => match task(bytes) {
                Some(error) => ErrorKind::Task(error),
                None => return Self::from_bytes(actor, &[]),
            },
            Form::ActorStart(actor, reason, source) => ErrorKind::ActorStart {
                actor,
                reason,
                source: source.and_then(task),
            },
            Form::ActorDied(actor, reason, source) => ErrorKind::ActorDied {
                actor,
                reason,
                source: source.and_then(task),
            },
            Form::ActorEnded(actor) => ErrorKind::ActorEnded { actor },
            Form::ActorKilled(actor) => ErrorKind::ActorKilled { actor },
            Form::Other(reason) => ErrorKind::ActorDied {
                actor: actor.to_owned(),
                reason,
                source: None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::time::Duration;

    use super::*;
    use crate::error::{Circumstances, Fault, TaskErrorKind};
    use crate::sys::Exit;

    #[test]
    fn errors_arrive_as_they_were_sent() {
        let circumstances = Circumstances {
            wall: Some(Duration::from_millis(3)),
            stderr: "help\n".to_owned(),
            ..Circumstances::default()
        };
        let fault = Some(Fault {
            address: 16,
            stack_overflow: false,
        });
        let exit = Exit::Signal(11);
        let crash = TaskError::new("f", 0, Some(7), TaskErrorKind::Crashed { exit, fault })
            .under(circumstances)
            .in_process("an actor");
        let cancelled = TaskErrorKind::Cancelled {
            reason: "why not".to_owned(),
        };
        let actor = || "a::Counter".to_owned();
        let kinds = [
            ErrorKind::Task(crash.clone()),
            ErrorKind::Task(TaskError::new("g", 0, None, cancelled)),
            ErrorKind::ActorDied {
                actor: actor(),
                reason: "x".to_owned(),
                source: Some(crash),
            },
            ErrorKind::ActorStart {
                actor: actor(),
                reason: "x".to_owned(),
                source: None,
            },
            ErrorKind::ActorEnded { actor: actor() },
            ErrorKind::ActorKilled { actor: actor() },
        ];
        for error in kinds.map(Error::new) {
            let other = Error::from_bytes("", &error.to_bytes());
            assert_eq!(other.to_string(), error.to_string());
            let source = |error: &Error| error.source().map(ToString::to_string);
            assert_eq!(source(&other), source(&error));
            assert_eq!(other.is_actor_died(), error.is_actor_died());
            assert_eq!(other.is_closed(), error.is_closed());
        }
        let closed = Error::new(ErrorKind::Closed);
        let other = Error::from_bytes("a::Counter", &closed.to_bytes());
        assert!(other.is_actor_died() && other.to_string().contains(&closed.to_string()));
        for bytes in [&[][..], &[0], &[0, 3, 1, 2, 3], &[9; 20]] {
            assert!(Error::from_bytes("a", bytes).is_actor_died());
        }
    }
}

//! The state of an actor, in the worker that it lives in.

use std::fmt::Display;

use super::local::{set_local, with_local};
use crate::error::{Failure, Step};

/// Apart from what users keep in the worker.
struct State<T>(T);

/// Keeps the state for the calls of the actor's methods.
///
/// # Errors
/// Never: a constructor that can fail has the same type.
pub fn keep<T: 'static>(state: T) -> Result<(), String> {
    // The first chunk of the worker: there was none before.
    drop(set_local(State(state)));
    Ok(())
}

/// As [`keep`], for a constructor that can fail.
///
/// # Errors
/// When it did: with what the error says.
pub fn try_keep<T: 'static, E: Display>(state: Result<T, E>) -> Result<(), String> {
    state.map_err(|error| error.to_string()).and_then(keep)
}

/// Calls a method; a panic leaves the state as the method left it.
///
/// # Errors
/// When there is no such state here.
pub fn with_state<T: 'static, R>(method: impl FnOnce(&mut T) -> R) -> Result<R, Failure> {
    with_local(|State(state): &mut State<T>| method(state)).ok_or_else(|| {
        let reason = "no actor of this type lives in this process".to_owned();
        Failure::of::<T>(Step::DecodeArgument, reason)
    })
}

//! What a constructor made, when it is called as an ordinary function.

use crate::error::{Failure, Step};
use crate::wire::{Output, Reply};

/// A state that may be a value that travels.
#[derive(Debug)]
pub struct Made<T>(pub T);

impl<T: Output> Made<T> {
    /// Puts it; found before the method of the trait if the type can be sent.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn put(self, reply: Reply<'_>) -> Result<(), Failure> {
        reply.put(self.0)
    }
}

/// For states that cannot be sent.
pub trait PutNothing: Sized {
    /// Puts nothing.
    ///
    /// # Errors
    /// Always. Nobody can make such a call: its type does not allow it.
    fn put(self, reply: Reply<'_>) -> Result<(), Failure>;
}

impl<T> PutNothing for Made<T> {
    fn put(self, _reply: Reply<'_>) -> Result<(), Failure> {
        let reason = "the state of an actor stays in its process".to_owned();
        Err(Failure::of::<T>(Step::EncodeResult, reason))
    }
}

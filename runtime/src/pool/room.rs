//! Room for more work, as far as a submission can be refused for want of it.

use std::io;

use super::state::{Call, State};
use crate::error::{Error, Result};
use crate::wire::{NoMemory, made_room};

/// What a caller is told who hands in more than there is memory for.
pub(super) fn no_room(NoMemory: NoMemory) -> Error {
    Error::os("no more work can be taken", io::ErrorKind::OutOfMemory)
}

impl State {
    /// Fails when there is no memory for a call and a chunk more.
    pub(super) fn make_room(&mut self) -> Result<()> {
        self.room_for_call()
            .and_then(|()| made_room(self.queue.try_reserve(1)))
            .map_err(no_room)
    }

    fn room_for_call(&self) -> Result<(), NoMemory> {
        let held = self.calls.capacity();
        if self.calls.len() < held {
            return Ok(());
        }
        // The slab cannot be asked; it doubles.
        let mut doubled = Vec::<(usize, Call)>::new();
        made_room(doubled.try_reserve_exact(2 * held.max(2)))
    }
}

//! Room for more work, as far as a submission can be refused for want of it.

use std::hint::black_box;
use std::io;

use super::state::{Call, State};
use crate::error::{Error, Result};
use crate::wire::{NoMemory, made_room};

/// A call allocates a few small things that cannot fail; together they are smaller than this many bytes.
const SMALL_THINGS: usize = 4 << 10;

/// What a caller is told who hands in more than there is memory for.
pub(super) fn no_room(NoMemory: NoMemory) -> Error {
    Error::os("no more work can be taken", io::ErrorKind::OutOfMemory)
}

impl State {
    /// Fails when there is no memory for a chunk more, nor for a call if it needs one.
    pub(super) fn make_room(&mut self) -> Result<()> {
        self.room_for_call()
            .and_then(|()| made_room(self.queue.try_reserve(1)))
            .map_err(no_room)
    }

    /// Fails when there is no memory for the small things that belong to a call.
    pub(super) fn room_for_small_things() -> Result<(), NoMemory> {
        let mut probe = Vec::<u8>::new();
        made_room(probe.try_reserve_exact(SMALL_THINGS))?;
        // Unseen, the allocation would be left out.
        black_box(&probe);
        Ok(())
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

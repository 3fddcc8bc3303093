//! The worker's end of the socket through which shared objects come and go.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::object::{MOST_OBJECTS, Message, Object, is_of_message, receive, send};
use crate::sys::{Wait, end_if_copy, wait_on};

/// What a message between a pool and its worker is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// From the pool: what the chunk with this number names.
    Chunk = 1,
    /// From the pool: the objects with these ids are not kept any longer.
    Forget = 2,
    /// From the worker: what the result of this item names, counted from 1 since its start.
    Result = 3,
}

/// How long to wait for room before the parent is told once more.
const PATIENCE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Carriage {
    socket: OwnedFd,
    /// What came for chunks that are not done, by their numbers.
    hand: Vec<(u64, Vec<Arc<Object>>)>,
    /// What stays until the parent says otherwise.
    kept: HashMap<u64, Arc<Object>>,
}

/// Objects that are not needed any more, for whoever may drop them: what a task keeps with one is the
/// user's.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Unneeded(Vec<Arc<Object>>);

impl Drop for Unneeded {
    fn drop(&mut self) {
        for object in self.0.drain(..) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(object)));
            end_if_copy();
        }
    }
}

impl Carriage {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            hand: Vec::new(),
            kept: HashMap::new(),
        }
    }

    /// Takes everything that has come; `lost` counts what could not be taken.
    pub(super) fn take_in(&mut self, lost: &AtomicU32) -> Unneeded {
        let mut unneeded = Unneeded::default();
        loop {
            match receive(self.socket.as_fd(), false) {
                Ok(Some(message)) => unneeded.0.extend(self.sort(message)),
                Ok(None) => return unneeded,
                // A descriptor too many: decoding finds what is missing, and says so.
                Err(error) if is_of_message(&error) => {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                // Nobody there, or a task has closed what it did not open.
                Err(_) => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return unneeded;
                }
            }
        }
    }

    /// Gives what is not kept any longer.
    fn sort(&mut self, message: Message) -> Vec<Arc<Object>> {
        if message.subject == Subject::Forget as u8 {
            let ids = message.ids.iter();
            return ids.filter_map(|id| self.kept.remove(id)).collect();
        }
        for object in &message.objects {
            if object.flags().keep {
                self.kept.insert(object.id(), Arc::clone(object));
            }
        }
        self.hand.push((message.number, message.objects));
        Vec::new()
    }

    /// Lets go of what came for the chunk with this number and those before.
    pub(super) fn put_down(&mut self, number: u64) -> Unneeded {
        if self.hand.is_empty() {
            return Unneeded::default();
        }
        let done = self.hand.extract_if(.., |(chunk, _)| *chunk <= number);
        Unneeded(done.flat_map(|(_, objects)| objects).collect())
    }

    /// Sends what a result names, in messages that are `sent` one by one; `full` has the parent take some.
    pub(super) fn send(
        &self,
        item: u64,
        objects: &[Arc<Object>],
        sent: impl Fn(),
        mut full: impl FnMut(),
    ) -> io::Result<()> {
        let socket = self.socket.as_fd();
        for group in objects.chunks(MOST_OBJECTS) {
            loop {
                match send(socket, Subject::Result as u8, item, group, false) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        full();
                        wait_on(&[Wait::to_write(socket)], Some(PATIENCE))?;
                    }
                    Err(error) => return Err(error),
                }
            }
            sent();
        }
        Ok(())
    }
}

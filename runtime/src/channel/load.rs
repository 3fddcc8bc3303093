//! What a message names, on its way through the socket of a channel.
//!
//! Each message takes one place there, whatever it names, so a message is never there in part, and it can
//! be said how many fit. What names many objects sends them in sockets of their own, which nobody has
//! but the message: it takes their reading ends along.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::object::{self, Flags, Message, Object};
use crate::sys::{drop_message, socket_pair};

/// So many messages that name objects wait in a channel at most. The system's buffers hold some more.
pub(super) const MOST_LOADS: u64 = 250;

/// Objects that need no more of the socket's buffer than a single one.
const FEW: usize = 16;

/// The subjects of messages in the socket: the objects themselves, and sockets that hold them.
pub(super) const OBJECTS: u8 = 2;
const CARRIERS: u8 = 3;

/// The objects of a message, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Load {
    subject: u8,
    objects: Vec<Arc<Object>>,
}

impl Load {
    /// Nothing.
    pub(super) const NONE: Self = Self {
        subject: OBJECTS,
        objects: Vec::new(),
    };

    /// # Errors
    /// When the system has no descriptors for it, and for more than two hundred thousand objects.
    pub(super) fn new(objects: Vec<Arc<Object>>) -> io::Result<Self> {
        if objects.len() <= FEW {
            let subject = OBJECTS;
            return Ok(Self { subject, objects });
        }
        Ok(Self {
            subject: CARRIERS,
            objects: carriers(&objects)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Puts it into the socket.
    ///
    /// # Errors
    /// `WouldBlock` when that is full.
    pub(super) fn send(&self, socket: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        object::send(socket, self.subject, number, &self.objects, false)
    }
}

/// Puts the objects into fresh sockets, and gives the ends that they come out of.
fn carriers(objects: &[Arc<Object>]) -> io::Result<Vec<Arc<Object>>> {
    let mut carriers = Vec::new();
    let mut groups = objects.chunks(object::MOST_OBJECTS).peekable();
    while groups.peek().is_some() {
        if carriers.len() == FEW {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "one message names too many handles",
            ));
        }
        let (inner, outer) = socket_pair()?;
        let inner = Object::from_descriptor(inner, Flags::default())?;
        let mut is_empty = true;
        while let Some(group) = groups.peek() {
            match object::send(inner.fd(), OBJECTS, 0, group, false) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_empty => break,
                Err(error) => return Err(error),
            }
            is_empty = false;
            groups.next();
        }
        carriers.push(Object::from_descriptor(outer, Flags::default())?);
    }
    Ok(carriers)
}

/// Appends the objects of a message to `objects`. When there is no room for all of them, the rest stays where it
/// is for as long as the message does.
///
/// # Errors
/// When there is no room.
pub(super) fn unload(message: Message, objects: &mut Vec<Arc<Object>>) -> io::Result<()> {
    if message.subject != CARRIERS {
        objects.extend(message.objects);
        return Ok(());
    }
    for carrier in message.objects {
        loop {
            match object::receive(carrier.fd(), true) {
                Ok(Some(group)) => objects.extend(group.objects),
                Ok(None) => break,
                // Dropped as well.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) if is_no_room(&error) => return Err(error),
                // All of it was read.
                Err(_) => break,
            }
            if drop_message(carrier.fd()).is_err() {
                break;
            }
        }
    }
    Ok(())
}

fn is_no_room(error: &io::Error) -> bool {
    object::is_of_message(error) || error.kind() == io::ErrorKind::OutOfMemory
}

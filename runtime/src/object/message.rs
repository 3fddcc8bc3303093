//! Objects on their way through a socket.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::descriptor::{Flags, Kind, Object};
use super::table;
use crate::sys::{MOST_DESCRIPTORS, Received, receive_message, send_message};

/// Subject and number.
const HEAD: usize = 9;
/// Objects in one message.
pub(crate) const MOST_OBJECTS: usize = MOST_DESCRIPTORS;
/// Id, kind and flags of one object.
const ENTRY: usize = 10;
/// Bytes of the longest message.
const LONGEST: usize = HEAD + ENTRY * MOST_DESCRIPTORS;

const KEEP: u8 = 1;
const WAITS: u8 = 2;

/// What came through a socket.
#[derive(Debug)]
pub(crate) struct Message {
    /// What the sender wants with it, in the words of who uses the socket.
    pub(crate) subject: u8,
    /// What it belongs to.
    pub(crate) number: u64,
    pub(crate) objects: Vec<Arc<Object>>,
    /// Of objects that do not come along.
    pub(crate) ids: Vec<u64>,
}

/// Sends objects, in as many messages as it takes.
///
/// # Errors
/// `WouldBlock` when the socket is full and `wait` is false. After an error some of the messages may be on
/// their way.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    subject: u8,
    number: u64,
    objects: &[Arc<Object>],
    wait: bool,
) -> io::Result<()> {
    for group in objects.chunks(MOST_DESCRIPTORS) {
        let mut bytes = Vec::with_capacity(HEAD + ENTRY * group.len());
        bytes.push(subject);
        bytes.extend(number.to_ne_bytes());
        for object in group {
            let Flags { keep, waits } = object.flags();
            let flags = if keep { KEEP } else { 0 } | if waits { WAITS } else { 0 };
            bytes.extend(object.id().to_ne_bytes());
            bytes.extend([object.kind() as u8, flags]);
        }
        let descriptors: Vec<_> = group.iter().map(|object| object.fd()).collect();
        send_message(socket, &bytes, &descriptors, wait)?;
    }
    Ok(())
}

/// Sends a message without objects, unless the socket is full.
pub(crate) fn send_note(socket: BorrowedFd<'_>, subject: u8, number: u64) -> io::Result<()> {
    let mut bytes = [0; HEAD];
    bytes[0] = subject;
    bytes[1..].copy_from_slice(&number.to_ne_bytes());
    send_message(socket, &bytes, &[], false)
}

/// Sends the ids of objects from the end of `ids`, which are removed, until the socket is full.
pub(crate) fn send_ids(socket: BorrowedFd<'_>, subject: u8, ids: &mut Vec<u64>) {
    const MOST: usize = (LONGEST - HEAD) / size_of::<u64>();
    while !ids.is_empty() {
        let rest = ids.len().saturating_sub(MOST);
        let mut bytes = vec![0; HEAD];
        bytes[0] = subject;
        bytes.extend(ids[rest..].iter().flat_map(|id| id.to_ne_bytes()));
        if send_message(socket, &bytes, &[], false).is_err() {
            return;
        }
        ids.truncate(rest);
    }
}

/// Takes the next message if there is one; with `peek` it stays there as well.
///
/// # Errors
/// When the other end is gone (`UnexpectedEof`), when descriptors were lost since this process has no room for more
/// (`EMFILE`), and when what came is no message of [`send`].
pub(crate) fn receive(socket: BorrowedFd<'_>, peek: bool) -> io::Result<Option<Message>> {
    let mut bytes = [0; LONGEST];
    let received = match receive_message(socket, &mut bytes, peek) {
        Ok(received) => received,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    if received.len == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if received.cut {
        return Err(rustix::io::Errno::MFILE.into());
    }
    open(&bytes, received).map(Some)
}

/// True if an error of [`receive`] is about the message, and the next one may be good.
pub(crate) fn is_of_message(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
        || error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

fn open(bytes: &[u8], received: Received) -> io::Result<Message> {
    let invalid = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "a message about shared objects makes no sense",
        )
    };
    let bytes = bytes.get(..received.len).ok_or_else(invalid)?;
    let (head, entries) = bytes.split_at_checked(HEAD).ok_or_else(invalid)?;
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes);
    let number = word(&head[1..]).map_err(|_| invalid())?;
    let mut ids = Vec::new();
    if received.descriptors.is_empty() {
        let (words, rest) = entries.as_chunks();
        if !rest.is_empty() {
            return Err(invalid());
        }
        ids.extend(words.iter().map(|word| u64::from_ne_bytes(*word)));
    } else if entries.len() != ENTRY * received.descriptors.len() {
        return Err(invalid());
    }
    let entries = entries.chunks_exact(ENTRY);
    let mut objects = Vec::with_capacity(received.descriptors.len());
    for (entry, fd) in entries.zip(received.descriptors) {
        let id = word(&entry[..8]).map_err(|_| invalid())?;
        if let Some(known) = table::find(id) {
            objects.push(known);
            continue;
        }
        let kind = Kind::from_byte(entry[8]).ok_or_else(invalid)?;
        let flags = Flags {
            keep: entry[9] & KEEP != 0,
            waits: entry[9] & WAITS != 0,
        };
        let object = Object::arrived(id, kind, flags, fd)?;
        objects.push(table::enter(object));
    }
    Ok(Message {
        subject: head[0],
        number,
        objects,
        ids,
    })
}

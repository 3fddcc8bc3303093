//! What processes share: kernel descriptors with an identity, and how they travel.
//!
//! An [`Object`] is one descriptor: a piece of memory without a name, or one end of a pair of sockets.
//! It has the same id in every process that has it, and a process has it once at most, however many
//! handles name it and however often it comes in. Nobody counts references but the kernel: the thing
//! itself goes with the last descriptor and the last mapping, in whatever way their holders end.
//!
//! What nobody can change may be on other machines too, as a copy with the same id (`twin`).
//!
//! Handles are written down as the id of their object. The object itself travels beside the bytes, in
//! messages of a socket:
//!
//! 1. [`collect`] gathers the objects that values name while they are encoded.
//! 2. [`send`] puts their descriptors into a socket, before the bytes become visible.
//! 3. [`receive`] takes them out. They stay alive at least until the bytes are decoded, and decoding
//!    finds them in the process's table.

mod collector;
mod descriptor;
mod local;
mod message;
mod table;
mod tag;
#[cfg(feature = "mpi")]
mod twin;

#[cfg(feature = "mpi")]
pub(crate) use collector::is_named_in;
pub(crate) use collector::{collect, deserialize, serialize};
pub(crate) use descriptor::{Flags, GROWING, Mourner, Object, PAYLOAD, take_files};
pub(crate) use message::{
    MOST_OBJECTS, Message, is_of_message, receive, send, send_ids, send_note,
};
#[cfg(test)]
pub(crate) use table::is_here;
pub(crate) use table::usage;
pub(crate) use tag::Tag;
#[cfg(feature = "mpi")]
pub(crate) use twin::{Twin, TwinDraft};

#[cfg(test)]
mod tests;

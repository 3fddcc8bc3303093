//! The results of a call in a file, for a later run that goes on where this one was interrupted.
//!
//! A journal is written by one call at a time, which holds a lock on it. Each result is one record behind those
//! before it, so that an interruption leaves whole records and at most one that is torn.
//! A record belongs to an item by its index and the checksum of its arguments.

mod file;
mod layout;

pub(crate) use file::{Journal, Recorded};
pub(crate) use layout::{Header, digest};

#[cfg(test)]
mod tests;

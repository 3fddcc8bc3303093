//! Messages as they go into the ring: a header, the value's bytes, whole units.

use std::cell::Cell;
use std::sync::Arc;

use serde::Serialize;

use super::error::MessageError;
use super::load::Load;
use super::put::{HAS_OBJECTS, units_of};
use super::words::UNIT;
use crate::object::{Object, collect};
use crate::wire::{append_value, plain_bytes};

/// Plain values from this size on are not copied into a buffer first.
pub(super) const IN_PLACE_FROM: usize = 16 << 10;

/// A buffer of more bytes is not kept for the next message.
const KEPT: usize = 256 << 10;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs `body` with a buffer of this thread, which is empty.
pub(super) fn with_buffer<R>(body: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // Encoding and decoding run code of the user's, which may use channels itself: it gets another one.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    let result = body(&mut buffer);
    if buffer.capacity() <= KEPT {
        buffer.clear();
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    result
}

/// Messages that are ready to be put.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    /// Headers and values, one message behind the other.
    pub(super) bytes: &'a [u8],
    /// Of a single message, more bytes of the value.
    pub(super) body: &'a [u8],
    /// Where each of several messages ends, in units; empty for a single one.
    pub(super) ends: &'a [u64],
    /// What the value of a single message names; the unit behind its header is free to say so.
    pub(super) load: &'a Load,
}

impl Outgoing<'_> {
    pub(super) fn count(&self) -> usize {
        self.ends.len().max(1)
    }

    /// The bytes of the messages from `start`, of which there are `count`, and how many units they are.
    pub(super) fn part(&self, start: usize, count: usize) -> ([&[u8]; 2], u64) {
        if self.ends.is_empty() {
            let len = self.bytes.len() + self.body.len();
            return ([self.bytes, self.body], len.div_ceil(UNIT) as u64);
        }
        let first = start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = self.ends[start + count - 1];
        let bytes = &self.bytes[first as usize * UNIT..end as usize * UNIT];
        ([bytes, &[]], end - first)
    }
}

/// Appends the message of `value`, and gives the objects that it names.
///
/// On an error the buffer is as it was.
pub(super) fn encode<T: Serialize>(
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<Vec<Arc<Object>>, MessageError> {
    let start = buffer.len();
    let objects = append(value, buffer).map_err(|reason| {
        buffer.truncate(start);
        MessageError::encode::<T>(reason)
    })?;
    let len = buffer.len() - start - UNIT;
    let flag = if objects.is_empty() { 0 } else { HAS_OBJECTS };
    buffer[start..start + UNIT].copy_from_slice(&header(len, flag));
    buffer.resize(start + units_of(len) as usize * UNIT, 0);
    Ok(objects)
}

fn append<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> Result<Vec<Arc<Object>>, String> {
    let start = buffer.len() + UNIT;
    buffer.resize(start, 0);
    if plain_bytes(value).is_some() {
        append_value(value, buffer)?;
        return Ok(Vec::new());
    }
    let (appended, objects) = collect(|| append_value(value, buffer));
    appended?;
    if !objects.is_empty() {
        buffer.splice(start..start, [0; UNIT]);
    }
    Ok(objects)
}

/// The header of a plain value that is put from where it is.
pub(super) fn plain_header(len: usize) -> [u8; UNIT] {
    header(len, 0)
}

fn header(len: usize, flag: u64) -> [u8; UNIT] {
    (len as u64 | flag).to_ne_bytes()
}

//! Arguments on their way out: the bytes of a chunk in the making.

use std::borrow::Cow;

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::plain::{self, Block};
use super::reason::why_not_encoded;
use super::room::{NoMemory, append, made_room};
use super::varint;
use crate::error::{Failure, Step};

/// Vectors of plain numbers from this size on are not copied into the chunk but sent from where
/// they are.
const HELD_FROM: usize = 32 << 10;

/// Numbers, and the shortest vectors: their length is one byte.
const TINY: usize = 16;

const NO_MEMORY: &str = "there is no memory for its bytes";

/// A place between two arguments of a payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    bytes: usize,
    held: usize,
}

/// The items of a chunk: bytes, and between them large vectors that are kept as they came.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    bytes: Vec<u8>,
    /// Each stands before the byte at its position.
    held: Vec<(usize, Box<dyn Block>)>,
    /// Bytes of all the held vectors.
    held_bytes: usize,
}

impl Payload {
    pub(crate) fn with_buffer(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            bytes,
            held: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Arguments that were encoded before.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.held_bytes
    }

    /// The bytes as a list of pieces.
    pub(crate) fn piece(&self, index: usize) -> Option<&[u8]> {
        // Pieces alternate: bytes, held, bytes, held, …, bytes.
        let start = match (index / 2).checked_sub(1) {
            Some(before) => self.held.get(before)?.0,
            None => 0,
        };
        if index % 2 == 1 {
            return self.held.get(index / 2).map(|(_, block)| block.bytes());
        }
        let end = self
            .held
            .get(index / 2)
            .map_or(self.bytes.len(), |(position, _)| *position);
        self.bytes.get(start..end)
    }

    /// The list of pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..).map_while(|index| self.piece(index))
    }

    /// All the bytes in one.
    pub(crate) fn whole(&self) -> Cow<'_, [u8]> {
        if self.held.is_empty() {
            return Cow::Borrowed(&self.bytes);
        }
        let pieces: Vec<_> = self.pieces().collect();
        Cow::Owned(pieces.concat())
    }

    /// The buffer, to be used again.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Gives up unused memory: the chunk will wait for long.
    pub(crate) fn shrink(&mut self) {
        // What the allocator would hand out anyway is not worth moving for.
        if self.bytes.capacity() > 2 * self.bytes.len().max(32) {
            self.bytes.shrink_to_fit();
        }
    }

    /// Where the payload stands, for [`rewind`](Self::rewind).
    #[inline]
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.bytes.len(), self.held.len())
    }

    /// Forgets everything after `mark`.
    pub(crate) fn rewind(&mut self, mark: (usize, usize)) {
        self.bytes.truncate(mark.0);
        self.held.truncate(mark.1);
        self.count_held();
    }

    fn count_held(&mut self) {
        self.held_bytes = self.held.iter().map(|(_, block)| block.bytes().len()).sum();
    }

    /// Moves `place` behind the next `count` arguments.
    pub(crate) fn pass(&self, place: &mut Place, count: usize) {
        for _ in 0..count {
            let varint::Read::Value(len, taken) = varint::read(&self.bytes[place.bytes..]) else {
                break;
            };
            place.bytes += taken;
            match self.held.get(place.held) {
                Some((position, _)) if *position == place.bytes => place.held += 1,
                _ => place.bytes += len as usize,
            }
        }
    }

    /// A copy of the next `count` arguments behind `place`, which is moved behind them.
    pub(crate) fn copy_arguments(&self, place: &mut Place, count: usize) -> Self {
        let mut start = place.bytes;
        let held = place.held;
        self.pass(place, count);
        let mut copy = Vec::new();
        for (position, block) in &self.held[held..place.held] {
            copy.extend_from_slice(&self.bytes[start..*position]);
            copy.extend_from_slice(block.bytes());
            start = *position;
        }
        copy.extend_from_slice(&self.bytes[start..place.bytes]);
        Self {
            bytes: copy,
            ..Self::default()
        }
    }

    /// Takes the first `count` arguments out.
    pub(crate) fn take_arguments(&mut self, count: usize) -> Self {
        let mut end = Place::default();
        self.pass(&mut end, count);
        let mut taken = Self {
            held: self.held.drain(..end.held).collect(),
            bytes: self.bytes.drain(..end.bytes).collect(),
            held_bytes: 0,
        };
        for (place, _) in &mut self.held {
            *place -= end.bytes;
        }
        self.count_held();
        taken.count_held();
        taken
    }
}

/// Appends one argument; the payload is unchanged when that fails.
pub(crate) fn encode_argument<T: Serialize>(
    value: T,
    payload: &mut Payload,
) -> Result<(), Failure> {
    let start = payload.bytes.len();
    append_argument(value, payload).map_err(|refusal| {
        payload.bytes.truncate(start);
        let reason = match refusal {
            Refusal::NoMemory => NO_MEMORY.to_owned(),
            Refusal::Reason(reason) => reason,
        };
        Failure::of::<T>(Step::EncodeArgument, reason)
    })
}

/// Why a value was not appended.
enum Refusal {
    NoMemory,
    Reason(String),
}

impl From<NoMemory> for Refusal {
    fn from(NoMemory: NoMemory) -> Self {
        Refusal::NoMemory
    }
}

fn append_argument<T: Serialize>(value: T, payload: &mut Payload) -> Result<(), Refusal> {
    let mut prefix = [0; varint::LONGEST];
    if let Some(bytes) = plain::bytes_of(&value) {
        let len = bytes.len();
        if len <= TINY {
            // One copy instead of two.
            let mut tiny = [0; 1 + TINY];
            tiny[0] = len as u8;
            tiny[1..=len].copy_from_slice(bytes);
            append(&mut payload.bytes, &tiny[..=len])?;
            return Ok(());
        }
        let taken = varint::write(len as u64, &mut prefix);
        append(&mut payload.bytes, &prefix[..taken])?;
        if len < HELD_FROM {
            append(&mut payload.bytes, bytes)?;
            return Ok(());
        }
        match plain::into_block(value) {
            Ok(block) => {
                payload.held.push((payload.bytes.len(), block));
                payload.held_bytes += len;
            }
            Err(borrowed) => {
                let bytes = plain::bytes_of(&borrowed).unwrap_or_default();
                append(&mut payload.bytes, bytes)?;
            }
        }
        return Ok(());
    }
    let start = payload.bytes.len();
    // One byte of length is enough for most values; longer lengths are made room for afterwards.
    append(&mut payload.bytes, &[0])?;
    serialize(&value, &mut payload.bytes).map_err(Refusal::Reason)?;
    let taken = varint::write((payload.bytes.len() - start - 1) as u64, &mut prefix);
    payload.bytes[start] = prefix[0];
    if taken > 1 {
        made_room(payload.bytes.try_reserve(taken - 1))?;
        payload
            .bytes
            .splice(start + 1..start + 1, prefix[1..taken].iter().copied());
    }
    Ok(())
}

/// Appends the bytes of `value` as postcard writes them, or says why it cannot.
pub(super) fn serialize<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    let mut full = false;
    let append = Append {
        out: &mut *out,
        full: &mut full,
    };
    let Err(error) = postcard::serialize_with_flavor(value, append) else {
        return Ok(());
    };
    out.truncate(start);
    if full {
        return Err(NO_MEMORY.to_owned());
    }
    Err(why_not_encoded(value).unwrap_or_else(|| error.to_string()))
}

struct Append<'a> {
    out: &'a mut Vec<u8>,
    /// Set when there was no memory for more.
    full: &'a mut bool,
}

impl Append<'_> {
    #[cold]
    fn refuse(&mut self) -> postcard::Error {
        *self.full = true;
        postcard::Error::SerializeBufferFull
    }
}

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        append(self.out, &[byte]).map_err(|NoMemory| self.refuse())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        append(self.out, bytes).map_err(|NoMemory| self.refuse())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

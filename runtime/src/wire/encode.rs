//! Arguments on their way out: values become bytes of a chunk.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, Serializer};

use super::block::Block;
use super::payload::Payload;
use super::plain;
use super::reason::why_not_encoded;
use super::room::{NoMemory, append, made_room, reserve};
use super::varint;
use super::whole::Whole;
use crate::error::{Failure, Step};
use crate::ipc;
use crate::object::collect;

/// Vectors of plain numbers and text from this size on are not copied into the chunk but sent from where they
/// are.
const HELD_FROM: usize = 32 << 10;

/// The largest numbers: their length is one byte.
const TINY: usize = 16;

const NO_MEMORY: &str = "there is no memory for its bytes";

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

/// The bytes of an argument of this type if each is a plain number, or a reference to one; else 0. Then items
/// with one argument need no lengths between them.
pub(crate) fn number_width<T>() -> usize {
    plain::width::<T>()
}

/// Puts a plain number into its place in a row.
#[inline]
pub(crate) fn put_number<T>(value: &T, slot: &mut [u8]) {
    let bytes = plain::bytes_of(value).unwrap_or_default();
    debug_assert_eq!(bytes.len(), slot.len());
    for (slot, byte) in slot.iter_mut().zip(bytes) {
        *slot = *byte;
    }
}

/// Appends the bytes of a value, which [`decode`](super::decode) makes it from again, or says why not; `out`
/// is unchanged then.
pub(crate) fn append_value<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    match plain::bytes_of(value) {
        Some(bytes) => append(out, bytes).map_err(|NoMemory| NO_MEMORY.to_owned()),
        None => serialize(value, out),
    }
}

/// The bytes that [`append_value`] appends, if they are in memory as they are.
pub(crate) fn plain_bytes<T>(value: &T) -> Option<&[u8]> {
    plain::bytes_of(value)
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
        if plain::width::<T>() > 0 {
            // One copy of a length that is known instead of two.
            let mut tiny = [0; 1 + TINY];
            tiny[0] = len as u8;
            tiny[1..=len].copy_from_slice(bytes);
            append(&mut payload.bytes, &tiny[..=len])?;
            return Ok(());
        }
        let taken = varint::write(len as u64, &mut prefix);
        if len < HELD_FROM {
            reserve(&mut payload.bytes, taken + len)?;
            payload.bytes.extend_from_slice(&prefix[..taken]);
            payload.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        append(&mut payload.bytes, &prefix[..taken])?;
        match plain::into_words(value) {
            Ok(words) => payload.hold(Block::Owned(words)),
            Err(borrowed) => {
                match payload
                    .borrower()
                    .and_then(|from| plain::lend(&borrowed, from))
                {
                    Some(loan) => payload.hold(Block::Lent(loan)),
                    None => {
                        let bytes = plain::bytes_of(&borrowed).unwrap_or_default();
                        append(&mut payload.bytes, bytes)?;
                    }
                }
            }
        }
        return Ok(());
    }
    let start = payload.bytes.len();
    // One byte of length is enough for most values; longer lengths are made room for afterwards.
    append(&mut payload.bytes, &[0])?;
    let (encoded, objects) = collect(|| serialize(&value, &mut payload.bytes));
    encoded.map_err(Refusal::Reason)?;
    if !objects.is_empty() {
        payload.name(objects);
    }
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
    let encoded = if ipc::holds::<T>() {
        let value = WithChannels(value);
        postcard::serialize_with_flavor(&Whole(&value), append)
    } else {
        postcard::serialize_with_flavor(&Whole(value), append)
    };
    let Err(error) = encoded else {
        return Ok(());
    };
    out.truncate(start);
    if full {
        return Err(NO_MEMORY.to_owned());
    }
    let reason = if ipc::holds::<T>() {
        why_not_encoded(&WithChannels(value))
    } else {
        why_not_encoded(&Whole(value))
    };
    Err(reason.unwrap_or_else(|| error.to_string()))
}

/// A value with channels of ipc-channel in it.
struct WithChannels<'a, T>(&'a T);

impl<T: Serialize> Serialize for WithChannels<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ipc::serialize(self.0, serializer)
    }
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

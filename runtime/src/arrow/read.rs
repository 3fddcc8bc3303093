//! A batch on its way in: its buffers gathered in aligned memory, checked, and made a batch. They may be any bytes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::reader::StreamDecoder;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};

use super::check::check;

/// Reads what [`serialize`](super::serialize) wrote.
///
/// # Errors
/// When it is no such batch, or there is no memory for it.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordBatch, D::Error> {
    let stream = deserializer.deserialize_tuple(2, Stream)?;
    batch(stream.into()).map_err(D::Error::custom)
}

/// The one batch of a stream.
pub(super) fn batch(stream: Buffer) -> Result<RecordBatch, String> {
    check(&stream)?;
    // It indexes and allocates by some lengths without looking whether they can be.
    let made = catch_unwind(AssertUnwindSafe(|| decode(stream)));
    made.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref().copied());
        Err(format!(
            "it is no record batch: {}",
            said.unwrap_or("arrow-ipc panics")
        ))
    })
}

fn decode(mut stream: Buffer) -> Result<RecordBatch, String> {
    let mut decoder = StreamDecoder::new();
    let mut next = || {
        let batch = decoder.decode(&mut stream);
        batch.map_err(|error| format!("it is no record batch: {error}"))
    };
    match (next()?, next()?) {
        (Some(batch), None) => Ok(batch),
        (None, _) => Err("it holds no record batch".to_owned()),
        (Some(_), Some(_)) => Err("it holds more than one record batch".to_owned()),
    }
}

/// The bytes of a stream: how many there are, and then blocks of them.
struct Stream;

impl<'de> Visitor<'de> for Stream {
    type Value = MutableBuffer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<MutableBuffer, A::Error> {
        let len: u64 = sequence.next_element()?.ok_or_else(too_few)?;
        let none = |_| A::Error::custom(format_args!("there is no memory for {len} bytes"));
        let wanted = isize::try_from(len).map_err(|_| too_few::<A::Error>())?;
        let stream = MutableBuffer::try_with_capacity(wanted.unsigned_abs()).map_err(none)?;
        let blocks = Blocks {
            left: wanted.unsigned_abs(),
            stream,
        };
        sequence.next_element_seed(blocks)?.ok_or_else(too_few)
    }
}

struct Blocks {
    left: usize,
    stream: MutableBuffer,
}

impl<'de> DeserializeSeed<'de> for Blocks {
    type Value = MutableBuffer;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<MutableBuffer, D::Error> {
        source.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Blocks {
    type Value = MutableBuffer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blocks of bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<MutableBuffer, A::Error> {
        while sequence.next_element_seed(Block(&mut self))?.is_some() {}
        if self.left > 0 {
            return Err(too_few());
        }
        Ok(self.stream)
    }
}

struct Block<'a>(&'a mut Blocks);

impl<'de> DeserializeSeed<'de> for Block<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Block<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        let left = self.0.left.checked_sub(bytes.len());
        self.0.left = left.ok_or_else(|| E::custom("it holds more bytes than it says"))?;
        let put = self.0.stream.try_extend_from_slice(bytes);
        put.map_err(E::custom)
    }
}

fn too_few<E: Error>() -> E {
    E::custom("it holds fewer bytes than it says")
}

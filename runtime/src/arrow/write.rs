//! A batch on its way out: how many bytes it is, and its buffers as they lie in memory.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::ArrowError;
use serde::{Serialize, Serializer};

/// Writes a batch; for `#[serde(with = "parproc::arrow")]`.
///
/// # Errors
/// When the crate `arrow-ipc` cannot write a type of its columns.
pub fn serialize<S: Serializer>(batch: &RecordBatch, serializer: S) -> Result<S::Ok, S::Error> {
    let buffers = stream(batch).map_err(serde::ser::Error::custom)?;
    let len: usize = buffers.iter().map(Buffer::len).sum();
    (len as u64, Blocks(&buffers)).serialize(serializer)
}

fn stream(batch: &RecordBatch) -> Result<Vec<Buffer>, ArrowError> {
    let mut encoder = StreamEncoder::try_new(batch.schema_ref())?;
    let mut buffers = encoder.encode(batch)?;
    // The reader of a message without bytes behind it waits for more.
    buffers.extend(encoder.finish()?);
    Ok(buffers)
}

/// Buffers one after the other, so that they need not be gathered in one to be written as bytes.
struct Blocks<'a>(&'a [Buffer]);

impl Serialize for Blocks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|buffer| Block(buffer)))
    }
}

struct Block<'a>(&'a [u8]);

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

//! Streams of the IPC format, looked over before they are read: whether what their messages point to is there.
//!
//! The reader of the crate `arrow-ipc` checks what columns hold, but takes for granted that their buffers lie in the
//! message, and that a message has the header which it says that it has.

use arrow_ipc::{DictionaryBatch, Message, MessageHeader, RecordBatch, root_as_message};

/// What every message begins with, before the length of its metadata.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// What a stream ends with: a message without metadata.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// More rows than any column has: what is computed of fewer stays within 64 bits.
const MOST_ROWS: i64 = 1 << 48;

/// Says what is wrong with a stream of one batch.
pub(super) fn check(stream: &[u8]) -> Result<(), String> {
    let mut rest = stream;
    while rest != END {
        rest = message(rest).map_err(|fault| format!("it is no record batch: {fault}"))?;
    }
    Ok(())
}

/// Checks the message at the start, and gives what is behind it.
fn message(stream: &[u8]) -> Result<&[u8], String> {
    let too_short = || "it ends too early".to_owned();
    let rest = stream.strip_prefix(&CONTINUATION);
    let rest = rest.ok_or("a message does not begin as one")?;
    let (len, rest) = rest.split_first_chunk().ok_or_else(too_short)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| too_short())?;
    let (metadata, rest) = rest.split_at_checked(len).ok_or_else(too_short)?;
    let message = root_as_message(metadata).map_err(|error| error.to_string())?;
    let len = usize::try_from(message.bodyLength()).map_err(|_| too_short())?;
    let (body, rest) = rest.split_at_checked(len).ok_or_else(too_short)?;
    if !fits(&message, body.len()) {
        return Err("what a message says of itself cannot be".to_owned());
    }
    Ok(rest)
}

fn fits(message: &Message<'_>, body: usize) -> bool {
    match message.header_type() {
        MessageHeader::Schema => message.header_as_schema().is_some(),
        MessageHeader::DictionaryBatch => message
            .header_as_dictionary_batch()
            .as_ref()
            .and_then(DictionaryBatch::data)
            .is_some_and(|values| lies_in(&values, body)),
        MessageHeader::RecordBatch => message
            .header_as_record_batch()
            .is_some_and(|batch| lies_in(&batch, body)),
        _ => false,
    }
}

/// Whether the buffers of a batch lie in a body of so many bytes, as they are, and no length is absurd.
fn lies_in(batch: &RecordBatch<'_>, body: usize) -> bool {
    let rows = |rows| (0..=MOST_ROWS).contains(&rows);
    let within = |offset, len| {
        let end = usize::try_from(offset)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(offset, len): (usize, usize)| offset.checked_add(len));
        end.is_some_and(|end| end <= body)
    };
    let nodes = batch.nodes().into_iter().flatten();
    let buffers = batch.buffers().into_iter().flatten();
    batch.compression().is_none()
        && rows(batch.length())
        && { nodes }.all(|node| rows(node.length()) && rows(node.null_count()))
        && { buffers }.all(|buffer| within(buffer.offset(), buffer.length()))
}

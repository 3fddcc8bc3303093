//! Running a chunk in this process: the same bytes, the same calls, no worker.

use super::chunk::Chunk;
use crate::registry::Table;
use crate::wire::{Arguments, Gathered};
use crate::worker::{Recording, run_item};

/// Runs the chunk; gives the records, and the chunk's buffer back.
pub(super) fn run(table: &Table, chunk: Chunk) -> (Vec<u8>, Vec<u8>) {
    let bytes = chunk.payload.into_whole();
    let mut records = Gathered::default();
    if let Some(function) = table.get(chunk.function) {
        let mut arguments = Arguments::from_bytes(&bytes);
        let mut scratch = Vec::new();
        let _recording = Recording::start();
        for _ in 0..chunk.count {
            run_item(function, &mut arguments, &mut records, &mut scratch);
        }
    }
    (records.0, bytes)
}

//! Running a chunk in this process: the same bytes, the same calls, no worker.

use super::chunk::Chunk;
use crate::registry::Table;
use crate::wire::{Arguments, LONGEST_HEADER, Sink, Status, write_header};
use crate::worker::run_item;

/// Runs the chunk; gives the records, and the chunk's buffer back.
pub(super) fn run(table: &Table, chunk: Chunk) -> (Vec<u8>, Vec<u8>) {
    let bytes = chunk.payload.into_whole();
    let mut records = Gathered(Vec::new());
    if let Some(function) = table.get(chunk.function) {
        let mut arguments = Arguments::from_bytes(&bytes);
        let mut scratch = Vec::new();
        for _ in 0..chunk.count {
            run_item(function, &mut arguments, &mut records, &mut scratch);
        }
    }
    (records.0, bytes)
}

struct Gathered(Vec<u8>);

impl Sink for Gathered {
    fn record(&mut self, status: Status, bytes: &[u8]) {
        let mut header = [0; LONGEST_HEADER];
        let len = write_header(status, bytes.len(), &mut header);
        self.0.extend_from_slice(&header[..len]);
        self.0.extend_from_slice(bytes);
    }
}

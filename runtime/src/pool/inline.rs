//! Running a chunk in this process: the same bytes, the same calls, no worker.

use std::sync::Arc;

use super::chunk::Chunk;
use crate::object::Object;
use crate::registry::Table;
use crate::sys::now_nanos;
use crate::wire::{Arguments, Gathered};
use crate::worker::{ItemClock, Recording, run_item};

/// Runs the chunk; gives the records.
///
/// A single item alone has `named` when it runs, which its arguments name.
pub(super) fn run(table: &Table, chunk: &Chunk, named: Vec<Arc<Object>>) -> Gathered {
    let bytes = chunk.payload.whole();
    let mut records = Gathered::default();
    if let Some(function) = table.get(chunk.function) {
        let mut arguments = Arguments::from_bytes(&bytes);
        if chunk.count == 1 {
            arguments.on_taken(move || drop(named));
        }
        let mut scratch = Vec::new();
        let _recording = Recording::start();
        let mut clock = ItemClock::default();
        for _ in 0..chunk.count {
            clock.begin(now_nanos());
            run_item(function, &mut arguments, &mut records, &mut scratch, &clock);
        }
    }
    records
}

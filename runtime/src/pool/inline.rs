//! Running a chunk in this process: the same bytes, the same calls, no worker.

use std::any::Any;
use std::io;
use std::sync::Arc;

use super::chunk::Chunk;
use crate::error::Failure;
use crate::object::Object;
use crate::registry::Table;
use crate::sys::now_nanos;
use crate::wire::{Arguments, Gathered, Host, Items, Sink, Status, Untracked, Window};
use crate::worker::{ItemClock, Recording, forget, panics, record_failure, record_panic};

/// Runs the chunk; gives the records.
///
/// A single item alone has `named` when it runs, which its arguments name.
pub(super) fn run(table: &Table, chunk: &Chunk, named: Vec<Arc<Object>>) -> Gathered {
    let bytes = chunk.payload.whole();
    let mut inline = Inline {
        count: chunk.count,
        records: Gathered::default(),
        clock: ItemClock::default(),
    };
    if let Some(function) = table.get(chunk.function) {
        let mut arguments = Arguments::from_bytes(&bytes, chunk.payload.width());
        if chunk.count == 1 {
            arguments.on_taken(move || drop(named));
        }
        let (each, untracked) = (function.arguments, Untracked::default());
        let mut track = untracked.track();
        track.panics = panics();
        let mut scratch = Vec::new();
        let _recording = Recording::start();
        let mut items = Items::new(arguments, each, track, None, &mut inline, &mut scratch);
        (function.call)(&mut items);
    }
    inline.records
}

#[derive(Debug)]
struct Inline {
    count: u32,
    records: Gathered,
    clock: ItemClock,
}

impl Host for Inline {
    fn look(&mut self, begun: u32, _window: &Window<'_>) -> u32 {
        self.clock.begin(now_nanos());
        u32::from(begun < self.count)
    }

    fn failed(&mut self, failure: Failure) {
        record_failure(failure, &mut self.records);
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        record_panic(payload, &self.clock, &mut self.records);
    }

    fn calm(&mut self) {
        forget();
    }
}

impl Sink for Inline {
    fn record(&mut self, status: Status, bytes: &[u8]) {
        self.records.record(status, bytes);
    }

    fn carry(&mut self, objects: Vec<Arc<Object>>) -> io::Result<()> {
        self.records.carry(objects)
    }
}

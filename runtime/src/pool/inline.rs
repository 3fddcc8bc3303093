//! Running a chunk in this process: the same bytes, the same calls, no worker.

use std::any::Any;
use std::io;
use std::sync::Arc;

use super::chunk::Chunk;
use super::logs::InlineSpan;
use crate::error::Failure;
use crate::object::Object;
use crate::registry::Table;
use crate::sys::now_nanos;
use crate::task::Here;
use crate::wire::{Arguments, Gathered, Host, Items, Sink, Status, Untracked, Window};
use crate::worker::{ItemClock, Recording, forget, panics, record_failure, record_panic};

/// What came of a chunk.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) records: Gathered,
    /// How many items failed.
    pub(super) failed: usize,
    /// When the items ran: from when on, and for how long, in nanoseconds.
    pub(super) times: Vec<(u64, u64)>,
}

/// Runs the chunk.
///
/// A single item alone has `named` when it runs, which its arguments name.
pub(super) fn run(table: &Table, chunk: &Chunk, named: Vec<Arc<Object>>) -> Ran {
    let bytes = chunk.payload.whole();
    let mut inline = Inline {
        here: Here::enter(chunk.batch()),
        ran: Ran::default(),
        began: 0,
        chunk,
        name: table.name(chunk.function),
        span: None,
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
    inline.ran
}

#[derive(Debug)]
struct Inline<'a> {
    here: Here,
    ran: Ran,
    /// When the item began.
    began: u64,
    chunk: &'a Chunk,
    name: &'static str,
    /// Of the item that runs.
    span: Option<InlineSpan>,
    clock: ItemClock,
}

impl Host for Inline<'_> {
    fn look(&mut self, begun: u32, _window: &Window<'_>) -> u32 {
        self.span = None;
        if begun == self.chunk.count {
            return 0;
        }
        self.span = InlineSpan::new(self.chunk, begun, self.name);
        self.began = now_nanos();
        self.clock.begin(self.began);
        self.here.begin(begun);
        1
    }

    fn failed(&mut self, failure: Failure) {
        record_failure(failure, self);
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        let clock = std::mem::take(&mut self.clock);
        record_panic(payload, &clock, self);
        self.clock = clock;
    }

    fn calm(&mut self) {
        forget();
    }
}

impl Sink for Inline<'_> {
    fn record(&mut self, status: Status, bytes: &[u8]) {
        self.ran.failed += usize::from(status != Status::Value);
        let took = now_nanos().saturating_sub(self.began);
        self.ran.times.push((self.began, took));
        self.ran.records.record(status, bytes);
    }

    fn carry(&mut self, objects: Vec<Arc<Object>>) -> io::Result<()> {
        self.ran.records.carry(objects)
    }
}

//! What a pool tells that runs everything in its own process.

use super::Said;
use crate::event::ItemSpan;
use crate::pool::chunk::Chunk;
use crate::pool::inline::Ran;
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::wire::{Records, Status};

/// The program itself is the worker.
const SELF: Option<usize> = Some(0);

impl Shared {
    /// A chunk was run.
    pub(in crate::pool) fn tell_inline(&self, state: &mut State, chunk: &Chunk, ran: &Ran) {
        state.tell_given(SELF, chunk);
        let count = ran.times.len();
        let mut failed = vec![false; if ran.failed > 0 { count } else { 0 }];
        if ran.failed > 0 {
            for (done, (status, record)) in Records(&ran.records.bytes).enumerate() {
                if status != Status::Value {
                    failed[done] = true;
                    let said = Said::new(chunk, done as u32, None, record);
                    self.tell_said(state, SELF, &said);
                }
            }
        }
        if count > ran.failed {
            let (results, bytes) = (count - ran.failed, ran.records.bytes.len());
            state.tell_results(chunk.call, SELF, results, bytes);
        }
        if state.events.timed {
            let times = ran.times.iter().enumerate();
            let spans = times.map(|(done, (began, took))| ItemSpan {
                attempt: chunk.history.attempt,
                failed: failed.get(done).copied().unwrap_or(false),
                ..ItemSpan::new(chunk.first + done, *began, *took)
            });
            state.tell_spans(chunk.call, SELF, spans.collect());
        }
        let nanos: u64 = ran.times.iter().map(|(_, took)| took).sum();
        state.tell_done(SELF, chunk, count as u32, nanos);
    }
}

//! What the items of a worker wrote, as far as its records tell.

use std::ops::Range;

use super::{Link, News};
use crate::pool::output::Written;
use crate::wire::{LONGEST_HEADER, Status, TaskFailure, write_header};

impl Link {
    /// The record from `start` to `end`, whose value begins at `value`, says why an item failed: puts
    /// what it wrote last into it. Gives its new end.
    #[cold]
    pub(super) fn complete_failure(&mut self, start: usize, value: usize, end: usize) -> usize {
        let Some((before, written)) = &self.written else {
            return end;
        };
        let failure = postcard::from_bytes(&self.pending[value..end]);
        let Ok(TaskFailure::Panicked(report, mut circumstances)) = failure else {
            return end;
        };
        if *before == self.items_done {
            circumstances.stderr = self.last_lines(&written.tail);
        }
        let failure = TaskFailure::Panicked(report, circumstances);
        let Ok(bytes) = postcard::to_stdvec(&failure) else {
            return end;
        };
        let mut header = [0; LONGEST_HEADER];
        let len = write_header(Status::Failed, bytes.len(), &mut header);
        let record = header[..len].iter().chain(&bytes).copied();
        self.pending.splice(start..end, record);
        start + len + bytes.len()
    }

    /// What the last item wrote whose record is there goes into its report.
    pub(super) fn tell_written(&mut self, news: &mut Vec<News>) {
        if let Some((before, written)) = self
            .written
            .take_if(|(before, _)| *before < self.items_done)
            && let Some(front) = self.in_flight.front()
            && let Some(streams) = &self.streams
            && streams.is_capturing()
        {
            let since = (self.items_done - before) as usize;
            let index = front.chunk.first + front.done as usize - since;
            news.push(News::Written(front.chunk.call, index, written));
        }
    }

    /// What the item wrote that the worker ran when it ended.
    pub(in crate::pool) fn written_at_last(&mut self) -> Written {
        let Some(streams) = &self.streams else {
            return Written::default();
        };
        let running = streams.running();
        match self.written.take() {
            // It was done, but its result did not come through.
            Some((before, written)) if before == self.items_done => written.followed_by(running),
            _ => running,
        }
    }

    /// As many of the last lines as an error shows.
    pub(in crate::pool) fn last_lines(&self, tail: &str) -> String {
        let streams = self.streams.as_ref();
        streams.map_or_else(String::new, |streams| streams.last_lines(tail))
    }
}

/// Takes some parts, by rising positions, out of the bytes.
pub(super) fn close(bytes: &mut Vec<u8>, gaps: &[Range<usize>]) {
    let Some(mut to) = gaps.first().map(|gap| gap.start) else {
        return;
    };
    let ends = gaps.iter().skip(1).map(|gap| gap.start);
    for (gap, end) in gaps.iter().zip(ends.chain([bytes.len()])) {
        bytes.copy_within(gap.end..end, to);
        to += end - gap.end;
    }
    bytes.truncate(to);
}

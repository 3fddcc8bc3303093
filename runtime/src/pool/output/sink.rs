//! A stream of this program, as far as workers' output goes there.

#[cfg(feature = "progress")]
use std::os::fd::AsFd;

#[cfg(feature = "progress")]
use crate::observe::above_bars;
use crate::sys::{Standard, Write, write_now};

/// With so much waiting nothing more is read for it.
const FULL: usize = 64 << 10;
/// A pipe takes so much in one piece, if it has any room.
const WHOLE: usize = 4096;
/// The longest line of a worker with what stands before it.
const LONGEST: usize = (64 << 10) + 64;

/// What waits to be written.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) standard: Standard,
    pub(super) waiting: Vec<u8>,
    /// How much of that is written.
    start: usize,
    /// The last thing that was written ended a line.
    ends_line: bool,
}

impl Sink {
    pub(super) fn new(standard: Standard) -> Self {
        Self {
            standard,
            waiting: Vec::new(),
            start: 0,
            ends_line: true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() - self.start >= FULL
    }

    /// Writes as much as there is room for, above progress bars if there are some on this terminal; says how much
    /// that was.
    pub(super) fn pass_on(&mut self) -> usize {
        if self.is_empty() {
            return 0;
        }
        #[cfg(feature = "progress")]
        {
            let (standard, mut written) = (self.standard, 0);
            let write = || {
                written = self.write();
                self.ends_line || !self.is_empty()
            };
            // What does not fit does not matter as much as what else is written.
            let end_line = || {
                let _ = write_now(standard, b"\n");
            };
            above_bars(&standard.as_fd(), write, end_line);
            written
        }
        #[cfg(not(feature = "progress"))]
        self.write()
    }

    /// Writes as much as there is room for; says how much that was.
    pub(super) fn write(&mut self) -> usize {
        let mut written = 0;
        while let Some(piece) = self.piece() {
            match write_now(self.standard, piece) {
                Write::Bytes(len) => {
                    self.ends_line = piece[..len].ends_with(b"\n");
                    written += len;
                    self.start += len;
                }
                Write::Full => break,
                Write::Broken => self.start = self.waiting.len(),
            }
        }
        // What is written is dropped, but not at the price of moving the rest again and again.
        if self.start == self.waiting.len() {
            self.discard();
        } else if self.start >= FULL {
            self.waiting.drain(..self.start);
            self.start = 0;
        }
        written
    }

    /// Drops what waits.
    pub(super) fn discard(&mut self) {
        self.waiting.clear();
        self.waiting.shrink_to(4 * FULL);
        self.start = 0;
    }

    /// What to write at once: as many whole lines as a pipe takes in one piece, or a single longer one.
    pub(super) fn piece(&self) -> Option<&[u8]> {
        let rest = self.waiting.get(self.start..)?;
        let newline = |byte: &u8| *byte == b'\n';
        let some = &rest[..rest.len().min(WHOLE)];
        if some.len() == rest.len() {
            return Some(rest).filter(|rest| !rest.is_empty());
        }
        let end = some.iter().rposition(newline).or_else(|| {
            let line = &rest[..rest.len().min(LONGEST)];
            line.iter().position(newline)
        });
        Some(end.map_or(some, |end| &rest[..=end]))
    }
}

//! The two streams of one worker: made before it starts, asked about its items, read out at its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Output;
use super::kept::{MOST, last_lines, text};
use super::lines::Lines;
use super::relay::Inner;
use super::source::{Keeping, Passing, Source};
use crate::pool::logs;
use crate::pool::setup::Setup;
use crate::shm::Lane;
use crate::sys::{Standard, host_name, null, pipe, program_name};
use crate::wire::Spans;

/// The ends of the streams of a worker that is about to be started.
#[derive(Debug, Default)]
pub(in crate::pool) struct Ends {
    modes: [Option<Output>; 2],
    lines: usize,
    /// The name of this machine, where `main` runs on another rank.
    host: Option<String>,
    /// What the worker writes to, and what this process reads from.
    writers: [Option<OwnedFd>; 2],
    readers: [Option<OwnedFd>; 2],
    /// What this process reads from of what tasks log, and what the worker writes to.
    logs: Option<(OwnedFd, OwnedFd)>,
}

impl Ends {
    /// For a worker that has this segment, in a pool with this setup.
    pub(super) fn open(setup: &Setup, lane: &Lane) -> io::Result<Self> {
        let mut ends = Self {
            lines: setup.stderr_lines,
            host: setup.levels.map(|_| host_name()),
            logs: logs::pipe()?,
            ..Self::default()
        };
        for one in Standard::BOTH {
            let mode = setup.outputs[one as usize];
            match mode {
                Output::Inherit => continue,
                Output::Null => ends.writers[one as usize] = Some(null()?),
                Output::Tail | Output::Prefixed | Output::Captured => {
                    let (reader, writer) = pipe()?;
                    ends.writers[one as usize] = Some(writer);
                    ends.readers[one as usize] = Some(reader);
                    let captured = mode == Output::Captured;
                    if captured || one == Standard::Error {
                        lane.parent.heard.0[one as usize].store(2, Ordering::Release);
                    }
                    lane.parent.captured[one as usize].store(captured.into(), Ordering::Release);
                }
            }
            ends.modes[one as usize] = Some(mode);
        }
        Ok(ends)
    }

    /// What the worker gets as its standard output or error; none if it has that of this process.
    pub(in crate::pool) fn get(&self, standard: Standard) -> Option<BorrowedFd<'_>> {
        self.writers[standard as usize].as_ref().map(AsFd::as_fd)
    }

    /// To what the worker writes what tasks log, if somebody reads it.
    pub(in crate::pool) fn logs(&self) -> Option<BorrowedFd<'_>> {
        self.logs.as_ref().map(|(_, writer)| writer.as_fd())
    }

    /// True when nothing has to be read.
    pub(super) fn is_deaf(&self) -> bool {
        self.readers.iter().all(Option::is_none) && self.logs.is_none()
    }

    /// The worker was started.
    pub(super) fn into_streams(self, relay: &Arc<Inner>, pid: u32, lane: &Lane) -> Streams {
        let Self {
            modes,
            lines,
            host,
            readers,
            logs,
            ..
        } = self;
        let mut streams = Streams {
            relay: Arc::clone(relay),
            sources: [None, None],
            captured: modes.map(|mode| mode == Some(Output::Captured)),
            lines,
            logs: logs.map(|(reader, _)| relay.hear(pid, lane, reader)),
        };
        for (one, reader) in Standard::BOTH.into_iter().zip(readers) {
            let Some(reader) = reader else { continue };
            let captured = streams.captured[one as usize];
            let keeping = Keeping {
                tail: one == Standard::Error,
                items: captured,
            };
            let passing = match modes[one as usize] {
                Some(Output::Prefixed) => {
                    Passing::Lines(Lines::new(&program_name(), pid, host.as_deref()))
                }
                _ if captured => Passing::Not,
                _ => Passing::Unchanged,
            };
            let source = Arc::new(Source::new(one, lane, reader, keeping, passing));
            relay.add(Arc::clone(&source));
            streams.sources[one as usize] = Some(source);
        }
        streams
    }
}

/// The streams of a worker that the pool reads.
#[derive(Debug)]
pub(in crate::pool) struct Streams {
    relay: Arc<Inner>,
    sources: [Option<Arc<Source>>; 2],
    captured: [bool; 2],
    /// How many lines an error shows.
    lines: usize,
    /// What tasks log.
    logs: Option<Arc<logs::Source>>,
}

impl Streams {
    /// What an item wrote, as the worker says.
    pub(in crate::pool) fn item(&self, spans: Spans) -> Written {
        self.written(|source| {
            let (from, to) = spans.0[source.standard as usize];
            if from >= to {
                return [(Vec::new(), true), (Vec::new(), true)];
            }
            let item = source.item((from, to));
            if source.passes_on {
                // It may have been read just now.
                self.relay.summon();
            }
            item
        })
    }

    /// What the item wrote that the worker ran when it ended; after [`end`](Self::end).
    pub(in crate::pool) fn running(&self) -> Written {
        self.written(Source::running)
    }

    fn written(&self, ask: impl Fn(&Source) -> [(Vec<u8>, bool); 2]) -> Written {
        let mut written = Written::default();
        for one in Standard::BOTH {
            let Some(source) = &self.sources[one as usize] else {
                continue;
            };
            let [(tail, tail_is_whole), (all, all_is_whole)] = ask(source);
            let captured = self.captured[one as usize];
            if one == Standard::Error {
                // The tail may be that of later items; what is cut has its end there.
                written.tail = if captured && all_is_whole {
                    text(&all, true)
                } else {
                    text(&tail, tail_is_whole)
                };
            }
            if captured {
                written.all[one as usize] = all;
                written.cut |= !all_is_whole;
            }
        }
        written
    }

    /// The last lines of what was written, as many as an error shows.
    pub(in crate::pool) fn last_lines(&self, tail: &str) -> String {
        last_lines(tail, self.lines).to_owned()
    }

    /// True if reports tell what items wrote.
    pub(in crate::pool) fn is_capturing(&self) -> bool {
        self.captured != [false; 2]
    }

    /// The worker has ended: takes in what is left in the pipes and closes them. Dropping does it, too.
    pub(in crate::pool) fn end(&self) {
        for source in self.sources.iter().flatten() {
            self.relay.end(source);
        }
        if let Some(logs) = &self.logs {
            self.relay.end_logs(logs);
        }
    }

    /// What tasks log, if somebody reads it.
    pub(in crate::pool) fn logs(&self) -> Option<&Arc<logs::Source>> {
        self.logs.as_ref()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.end();
    }
}

/// What an item wrote, as far as it is kept.
#[derive(Debug, Default)]
pub(in crate::pool) struct Written {
    /// To standard output and error, where these are captured.
    all: [Vec<u8>; 2],
    /// That is not all of it.
    cut: bool,
    /// The end of what it wrote to standard error.
    pub(in crate::pool) tail: String,
}

impl Written {
    /// With later output of the same item.
    pub(in crate::pool) fn followed_by(mut self, other: Self) -> Self {
        for (all, more) in self.all.iter_mut().zip(other.all) {
            let room = MOST.saturating_sub(all.len());
            self.cut |= more.len() > room;
            all.extend_from_slice(&more[..more.len().min(room)]);
        }
        self.cut |= other.cut;
        self.tail.push_str(&other.tail);
        self
    }

    /// What was captured elsewhere, and whether that was cut.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn from_parts(all: [Vec<u8>; 2], cut: bool) -> Self {
        Self {
            all,
            cut,
            ..Self::default()
        }
    }

    /// What was captured, and whether that was cut.
    pub(in crate::pool) fn into_parts(self) -> ([Vec<u8>; 2], bool) {
        (self.all, self.cut)
    }
}

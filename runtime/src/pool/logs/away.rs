//! What the workers of a node log, on its way to rank 0, which plays it.
//!
//! The node reads the pipes of its workers as rank 0 does with its own, and so far everything is the same. What
//! was read is then passed on, in front of the results that it belongs to. Rank 0 says how much of it was
//! played: what it has and has not played counts as waiting on the node, which makes workers wait that log faster than
//! somebody listens.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Context;
use super::hub::{Hub, Job, Then, What};
use super::source::{Item, Source, Task};
use crate::wire::log::LONGEST_BODY;

/// What is passed on at once has so many bytes at most, unless it is one frame.
const MOST: usize = 256 << 10;

/// What was read of the workers of a node, in its order.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) struct Batch {
    /// Frames that were dropped before, since nobody took them.
    dropped: u64,
    /// As much as it counts on the node.
    bytes: usize,
    told: Vec<Told>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// The worker's process.
    pid: u32,
    what: Word,
}

/// See [`What`].
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Frame {
        /// The chunk of rank 0 that it is from.
        chunk: Option<u64>,
        item: Option<Place>,
        body: Box<[u8]>,
    },
    Over(u64),
    End,
}

/// See [`Task`].
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    chunk: u64,
    place: u32,
    index: Option<u64>,
    attempt: u32,
}

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool) struct Site {
    pub(in crate::pool) host: Arc<str>,
    pub(in crate::pool) rank: usize,
}

/// Workers of a node of which something was heard, in rank 0.
#[derive(Debug, Default)]
pub(in crate::pool) struct Away {
    sources: HashMap<u32, Arc<Source>>,
}

impl Batch {
    /// On a node: what was read and not passed on; none if there is nothing.
    pub(in crate::pool) fn take(hub: &Hub) -> Option<Self> {
        let (jobs, bytes, dropped) = hub.take(MOST);
        let told: Vec<_> = jobs.into_iter().map(Told::of).collect();
        (!told.is_empty()).then_some(Self {
            dropped,
            bytes,
            told,
        })
    }

    /// How many things it tells, and how many bytes these count on the node.
    pub(in crate::pool) fn amount(&self) -> (u64, usize) {
        (self.told.len() as u64, self.bytes)
    }

    /// The chunks that it tells something of.
    pub(in crate::pool) fn chunks(&self) -> impl Iterator<Item = u64> {
        self.told.iter().filter_map(|told| match told.what {
            Word::Frame { chunk, .. } => chunk,
            _ => None,
        })
    }

    /// In rank 0: has it played, and then calls `then`. A chunk has the context and the function that `find` gives,
    /// and is over if that is none. Gives the number of the last thing that is to be played.
    pub(in crate::pool) fn put(
        self,
        hub: &Arc<Hub>,
        away: &mut Away,
        site: &Site,
        find: impl Fn(u64) -> Option<(Context, &'static str)>,
        then: impl FnOnce() + Send + 'static,
    ) -> u64 {
        hub.add_dropped(self.dropped);
        let mut jobs = Vec::with_capacity(self.told.len() + 1);
        for Told { pid, what } in self.told {
            let make = || Source::of_node(hub, pid, site.clone());
            let source = Arc::clone(away.sources.entry(pid).or_insert_with(make));
            let what = match what {
                Word::Frame { chunk, item, body } => {
                    if body.len() > LONGEST_BODY {
                        continue;
                    }
                    let known = chunk.and_then(&find);
                    let task = item.zip(known.as_ref().map(|(_, function)| *function));
                    let item = Item {
                        task: task.map(|(item, function)| item.task(function)),
                        context: known.map_or_else(Context::ambient, |(context, _)| context),
                    };
                    What::Frame(item, body)
                }
                Word::Over(chunk) => What::Over(chunk),
                Word::End => {
                    away.sources.remove(&pid);
                    What::End
                }
            };
            jobs.push(Job { source, what });
        }
        match jobs.last().map(|last| Arc::clone(&last.source)) {
            Some(source) => jobs.push(Job {
                source,
                what: What::Then(Then(Box::new(then))),
            }),
            None => then(),
        }
        hub.put(jobs)
    }
}

impl Told {
    fn of(job: Job) -> Self {
        let what = match job.what {
            What::Frame(item, body) => Word::Frame {
                chunk: item.context.chunk(),
                item: item.task.map(|task| Place {
                    chunk: task.chunk,
                    place: task.place,
                    index: task.index,
                    attempt: task.attempt,
                }),
                body,
            },
            What::Over(chunk) => Word::Over(chunk),
            // A node plays nothing, and has nothing to be told of it.
            What::End | What::Then(_) => Word::End,
        };
        Self {
            pid: job.source.pid(),
            what,
        }
    }
}

impl Place {
    fn task(self, function: &'static str) -> Task {
        Task {
            chunk: self.chunk,
            place: self.place,
            function,
            index: self.index,
            attempt: self.attempt,
        }
    }
}

impl Away {
    /// The node is gone: what its workers had open is closed.
    pub(in crate::pool) fn end(&mut self) {
        for (_, source) in self.sources.drain() {
            source.end_away();
        }
    }
}

//! Keeping the inputs of items that failed, as files to [repeat](crate::replay) the calls from.
//!
//! A disk can be slow, so files are not written under the lock, nor by the thread that looks after the workers. A
//! thread of its own, the keeper, writes them, and delivers each error when its file is there. Two callers write
//! themselves: the one that decides which items are tried again, since no other thread knows what was the last
//! attempt, and the one whose pool runs everything in its own thread.

use std::path::PathBuf;

use super::chunk::{Chunk, Delivery, Origin};
use super::results::open_failure;
use super::shared::Shared;
use super::state::{Phase, State};
use crate::error::TaskError;
use crate::replay::{Call, keep};
use crate::wire::{Gathered, Place, Records, Status};

/// The folder when the program sets none.
const FOLDER: &str = "PARPROC_CRASH_DIR";

/// An item that failed for good.
#[derive(Debug)]
pub(super) struct Failed {
    /// The item, as a chunk of its own.
    pub(super) item: Chunk,
    pub(super) how: How,
}

#[derive(Debug)]
pub(super) enum How {
    /// It ended its worker.
    Died(TaskError),
    /// The worker, which lives, says so in a record.
    Said { origin: Origin, record: Vec<u8> },
}

/// The folder that inputs are saved to, if there is to be one; `set` is what the program sets.
pub(super) fn folder(set: Option<PathBuf>) -> Option<PathBuf> {
    let of_environment = || std::env::var_os(FOLDER).map(PathBuf::from);
    let folder = set.or_else(of_environment);
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty())?;
    // The working directory may be another one when a file is written, or looked for.
    Some(std::path::absolute(&folder).unwrap_or(folder))
}

impl Shared {
    /// True when inputs of failed items are kept.
    pub(super) fn keeps(&self) -> bool {
        self.setup.crash_dir.is_some()
    }

    /// Tells the caller that an item failed, once its input was kept.
    ///
    /// Nothing is kept of items that nobody wants any more; whether the item is `wanted` is known before its
    /// failure may have ended the call.
    pub(super) fn fail(&self, state: &mut State, failed: Failed, wanted: bool) {
        let call = failed.item.call;
        if wanted && self.keeps() && state.phase != Phase::Closed {
            let decides = state.calls.get(call).is_some_and(|call| call.retained);
            if decides && matches!(failed.how, How::Said { .. }) {
                state.deliver(call, Delivery::Unsaved(failed));
            } else {
                // Until it is delivered the call is not over.
                state.count_out(call);
                state.failed.push_back(failed);
                self.keeper.notify_one();
            }
            return;
        }
        match failed.how {
            How::Died(error) => {
                let index = failed.item.first;
                state.deliver(call, Delivery::Failed { index, error });
                state.give_back(failed.item);
            }
            How::Said { origin, record } => {
                let delivery = Delivery::Records {
                    first: failed.item.first,
                    count: 1,
                    origin,
                    bytes: record,
                    row: false,
                    objects: Vec::new(),
                };
                state.deliver(call, delivery);
            }
        }
    }

    /// The keeper's life; what failed before the pool was closed is kept when it returns.
    pub(super) fn keep_inputs(&self) {
        let mut state = self.lock();
        loop {
            if let Some(failed) = state.failed.pop_front() {
                drop(state);
                let (item, error) = self.opened(failed);
                let error = self.saved(error, &item);
                state = self.lock();
                let index = item.first;
                state.deliver(item.call, Delivery::Failed { index, error });
                state.finish(item);
                state.ringer.ring();
            } else if state.phase == Phase::Closed {
                return;
            } else {
                state = state.wait(&self.keeper);
            }
        }
    }

    /// The item, and its error.
    pub(super) fn opened(&self, failed: Failed) -> (Chunk, TaskError) {
        let Failed { item, how } = failed;
        let error = match how {
            How::Died(error) => error,
            How::Said { origin, record } => {
                let name = self.table.name(item.function);
                let record = Records(&record).next();
                let record = record.map_or(&[][..], |(_, bytes)| bytes);
                open_failure(name, item.known_index(), origin, record)
            }
        };
        (item, error)
    }

    /// Writes the input of the item; gives its error, which says where the file is, or why there is none.
    pub(super) fn saved(&self, error: TaskError, item: &Chunk) -> TaskError {
        let Some(folder) = &self.setup.crash_dir else {
            return error;
        };
        let call = Call {
            batch: item.batch(),
            arguments: &item.payload,
            init: self.hooks.init(),
        };
        let saved = keep(folder, self.table, call, &error);
        error.with_input(saved)
    }

    /// The news of a chunk that was run in this thread.
    pub(super) fn news_of(
        &self,
        chunk: &Chunk,
        origin: Origin,
        records: Gathered,
    ) -> Vec<Delivery> {
        let Gathered {
            bytes: records,
            objects,
        } = records;
        let (first, count) = (chunk.first, chunk.count as usize);
        if !self.keeps() {
            return vec![Delivery::Records {
                first,
                count,
                origin,
                bytes: records,
                row: false,
                objects,
            }];
        }
        let call = self.lock().calls.get(chunk.call).map(|call| call.retained);
        let decides = call.unwrap_or(false);
        let arguments = self.table.arguments(chunk.function);
        let mut place = Place::default();
        let mut news = Vec::new();
        let mut rest = Records(&records);
        for first in first..first + count {
            let before = rest.0;
            let Some((status, _)) = rest.next() else {
                break;
            };
            let record = before[..before.len() - rest.0.len()].to_vec();
            if status == Status::Value {
                chunk.payload.pass(&mut place, 1, arguments);
                news.push(Delivery::Records {
                    first,
                    count: 1,
                    origin,
                    bytes: record,
                    row: false,
                    objects: objects.clone(),
                });
                continue;
            }
            let failed = Failed {
                item: chunk.copy_item(first, &mut place, arguments),
                how: How::Said { origin, record },
            };
            news.push(if decides {
                Delivery::Unsaved(failed)
            } else {
                let (item, error) = self.opened(failed);
                let error = self.saved(error, &item);
                Delivery::Failed {
                    index: first,
                    error,
                }
            });
        }
        news
    }
}

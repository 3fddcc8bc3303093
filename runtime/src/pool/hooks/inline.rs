//! The init and the exit function in a pool that runs everything in this process.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::Failed;
use crate::error::Result;
use crate::pool::chunk::{Delivery, Origin};
use crate::pool::inline::run;
use crate::pool::shared::Shared;

/// How far an inline pool is.
#[derive(Debug, Default)]
pub(super) struct Life {
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Unused,
    /// This thread runs the init function, which may use the pool itself.
    Running(ThreadId),
    Used,
    Closed,
}

impl Life {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Runs the init function of an inline pool, at its first use.
    pub(in crate::pool) fn init_inline(&self) -> Result<()> {
        let this = thread::current().id();
        let mut stage = self.hooks.inline.stage();
        loop {
            match *stage {
                Stage::Unused => break,
                Stage::Running(thread) if thread != this => {
                    let changed = self.hooks.inline.changed.wait(stage);
                    stage = changed.unwrap_or_else(PoisonError::into_inner);
                }
                Stage::Running(_) | Stage::Used | Stage::Closed => return Ok(()),
            }
        }
        *stage = Stage::Running(this);
        drop(stage);
        let outcome = self.hooks.init.as_ref().map_or(Ok(()), |init| {
            let ran = run(self.table, &init.chunk(), Vec::new());
            let delivery = Delivery::Records {
                first: 0,
                count: 1,
                origin: Origin::NOBODY,
                bytes: ran.records.bytes,
                row: false,
                objects: ran.records.objects,
            };
            let failed = |failed: Failed| failed.into_error(init.name);
            init.open(delivery).map_err(failed)
        });
        let mut stage = self.hooks.inline.stage();
        if *stage == Stage::Running(this) {
            *stage = if outcome.is_ok() {
                Stage::Used
            } else {
                Stage::Unused
            };
        }
        self.hooks.inline.changed.notify_all();
        outcome
    }

    /// An inline pool is closed: runs the exit function, if `willing` and the pool was used.
    pub(in crate::pool) fn exit_inline(&self, willing: bool) {
        let before = std::mem::replace(&mut *self.hooks.inline.stage(), Stage::Closed);
        if let Some(chunk) = self.hooks.exit_chunk()
            && willing
            && before == Stage::Used
        {
            run(self.table, &chunk, Vec::new());
        }
    }
}

//! The part of the supervisor that is about processes: their starts, and their ends by force.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::chunk::Chunk;
use super::super::courier::HOLD_BACK;
use super::super::link::Link;
use super::super::shared::Shared;
use super::super::state::{Phase, State};
use super::super::supervisor::Ward;
use super::life::{Life, Started, Teller};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::FunctionId;
use crate::sys::{Exit, nanos_of, now_nanos};

/// What the supervisor needs to start a process.
#[derive(Debug)]
pub(in crate::pool) struct Start {
    pub(in crate::pool) teller: Teller,
    /// Its only chunk, which is not counted as handed in yet.
    pub(super) chunk: Chunk,
    /// Its environment; none is that of this process.
    pub(in crate::pool) environment: Option<Vec<(OsString, OsString)>>,
    pub(in crate::pool) directory: Option<PathBuf>,
    /// There is no limit of its time, which would run from when it is ready.
    pub(in crate::pool) unlimited: bool,
}

/// What makes a link that of a process.
#[derive(Debug)]
pub(in crate::pool) struct OwnCall {
    pub(in crate::pool) life: Arc<Life>,
    pub(in crate::pool) function: FunctionId,
    /// The key of its call.
    pub(in crate::pool) call: usize,
    /// When it is killed, in nanoseconds.
    kill_at: u64,
    /// When the courier is to look after its result, in nanoseconds: until then its caller mostly does.
    carry_at: u64,
}

impl Shared {
    /// Has the supervisor start a process; fails when the pool takes no more work.
    pub(super) fn request_start(&self, start: Start) -> Result<()> {
        let mut state = self.lock();
        state.check_open()?;
        state.starts.push_back(start);
        self.notify.notify();
        Ok(())
    }

    /// The next process to be started.
    pub(in crate::pool) fn take_process(&self) -> Option<Start> {
        let mut state = self.lock();
        (state.phase != Phase::Closed)
            .then(|| state.starts.pop_front())
            .flatten()
    }

    /// Starts a process, with its call in its ring.
    pub(in crate::pool) fn start_process(&self, id: u64, start: Start, wards: &mut Vec<Ward>) {
        let begin = now_nanos();
        match self.start(id, None, Some(&start)) {
            Ok((mut ward, mut link)) => {
                let Start { teller, chunk, .. } = start;
                link.process = Some(OwnCall {
                    life: Arc::clone(&teller.life),
                    function: chunk.function,
                    call: chunk.call,
                    kill_at: u64::MAX,
                    carry_at: now_nanos().saturating_add(nanos_of(HOLD_BACK)),
                });
                let took = now_nanos().saturating_sub(begin);
                let mut state = self.lock();
                state.tell_worker_started(&link, took);
                state.count_out(chunk.call);
                self.give(&mut state, &mut link, chunk);
                // It finds its call first, and ends when that is done.
                link.lane.parent.closing.0.store(1, Ordering::Release);
                teller.started(Started {
                    id,
                    pid: link.pid,
                    descriptor: ward.child.descriptor(),
                });
                ward.teller = Some(teller);
                wards.push(ward);
                state.links.push(link);
            }
            Err(error) => start.teller.failed(Error::new(ErrorKind::Start {
                reason: error.to_string(),
            })),
        }
    }

    /// Has a process killed after `pause`, unless it has ended until then.
    pub(super) fn kill_after(&self, state: &mut State, id: u64, pause: Duration) {
        let at = now_nanos().saturating_add(nanos_of(pause));
        let link = state.links.iter_mut().find(|link| link.id == id);
        if let Some(process) = link.and_then(|link| link.process.as_mut()) {
            process.kill_at = process.kill_at.min(at);
            self.alarm(state, at);
        }
    }

    /// The call of a process is done: a time limit that it has holds once more, for its end.
    pub(in crate::pool) fn limit_end(&self, state: &mut State, link: &mut Link, call: usize) {
        let Some(process) = &mut link.process else {
            return;
        };
        let rules = state.calls.get(call).and_then(|call| call.rules.as_ref());
        if let Some(nanos) = rules.and_then(|rules| rules.timeout_nanos()) {
            process.kill_at = process.kill_at.min(now_nanos().saturating_add(nanos));
            self.alarm(state, process.kill_at);
        }
    }

    /// Kills the processes whose time is over, and has the courier look after those that run for long. Gives the time of the next look, in nanoseconds.
    pub(in crate::pool) fn kill_due(&self, state: &mut State, now: u64) -> u64 {
        let mut next = u64::MAX;
        let mut carry = false;
        for link in &mut state.links {
            let idle = link.idle();
            let Some(process) = &mut link.process else {
                continue;
            };
            if process.kill_at <= now {
                process.kill_at = u64::MAX;
                state.condemned.push(link.id);
                self.notify.notify();
            }
            if process.carry_at <= now || idle {
                carry |= !idle;
                process.carry_at = u64::MAX;
            }
            next = next.min(process.kill_at).min(process.carry_at);
        }
        if carry {
            self.arm_courier(state);
        }
        next
    }

    /// A process has been reaped, and its call has what is left of it.
    pub(in crate::pool) fn tell_end(&self, state: &mut State, teller: &Teller, exit: Exit) {
        teller.ended(exit);
        let call = state.calls.get(teller.call);
        if let Some(waiter) = call.and_then(|call| call.waiter.as_ref()) {
            waiter.notify_one();
        }
        state.ringer.ring();
    }
}

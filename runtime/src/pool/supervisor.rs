//! The thread that starts workers, greets them, sees them end, and ends them.
//!
//! It is the only thread that starts processes: the kernel ends a worker when the thread that
//! started it ends, and this one ends last, when the pool is closed or the program is gone.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

use super::death::{Barren, End};
use super::gauge::Gauge;
use super::guardian::Guardian;
use super::lifespan::END_LIMIT;
use super::link::Link;
use super::naming::Naming;
use super::oom::OomKills;
use super::output::Streams;
use super::process::{Start, Teller};
use super::shared::Shared;
use super::state::{Phase, State, Thread};
use super::watch::Doom;
use crate::family::Place;
use crate::shm::{Lane, READY, REFUSED, SEGMENT_BYTES};
use crate::sys::{
    Child, ChildSpec, Exit, Segment, Standard, environment_with, is_readable, now_nanos,
    socket_pair, wait_readable,
};
use crate::worker::{Attach, Orders};

/// A worker that is not ready after this time is given up: constructors of the program or of its
/// libraries hang.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The pause after a failed start; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// A worker as the supervisor knows it.
pub(super) struct Ward {
    id: u64,
    /// Its number among the living ones; a process has none.
    slot: Option<usize>,
    pub(super) child: Child,
    /// Behind the child: it is freed when that is gone.
    place: Place,
    /// Who is told of its start and its end, if it is a process.
    pub(super) teller: Option<Teller>,
    /// Until when it has to be ready; none once it is.
    birth: Option<Instant>,
    /// Why it was killed before it was ready, if it was.
    given_up: Option<String>,
    /// What it writes, if that comes through this process.
    streams: Option<Arc<Streams>>,
}

impl Ward {
    fn give_up(&mut self, reason: String) {
        self.child.kill();
        self.given_up = Some(reason);
    }
}

impl Shared {
    /// The supervisor's life; all workers are gone when it returns.
    pub(super) fn supervise(self: &Arc<Self>) {
        std::thread::scope(|scope| {
            let life = catch_unwind(AssertUnwindSafe(|| self.supervise_within(scope)));
            if life.is_err() {
                // The gauge must not be waited for in vain.
                self.lock().phase = Phase::Closed;
            }
            self.gauge.notify_all();
            self.actor_is_over();
            life.unwrap_or_else(|panic| resume_unwind(panic));
        });
    }

    fn supervise_within<'scope>(self: &'scope Arc<Self>, scope: &'scope Scope<'scope, '_>) {
        let mut wards: Vec<Ward> = Vec::new();
        let mut guardian = Guardian::new();
        let mut next_id = 0;
        let mut oom_kills = OomKills::default();
        // When the next worker may be started, after one could not.
        let mut retry = None;
        loop {
            let (condemned, courier) = {
                let mut state = self.lock();
                let courier = self.start_courier(&mut state);
                if state.phase == Phase::Closed {
                    break;
                }
                if state.gauge == Gauge::Wanted {
                    // If there is no thread to be had now, there may be one for the next item.
                    let gauge = Builder::new().name("parproc-gauge".to_owned());
                    let started = gauge.spawn_scoped(scope, || {
                        if catch_unwind(AssertUnwindSafe(|| self.measure())).is_err() {
                            self.abandon("the thread parproc-gauge ended by a panic");
                        }
                    });
                    state.gauge = started.map_or(Gauge::Absent, |_| Gauge::Looks);
                }
                (std::mem::take(&mut state.condemned), courier)
            };
            let courier = (!courier).then(|| Instant::now() + FIRST_PAUSE);
            for ward in wards.iter().filter(|ward| condemned.contains(&ward.id)) {
                self.kill(ward);
            }
            // Between two starts, which take their time, as well.
            self.greet(&mut wards);
            guardian.tend();
            if oom_kills.tend() {
                Child::settle(wards.iter_mut().map(|ward| &mut ward.child));
            }
            self.look_at_inits();
            if self.reap(&mut wards, &mut guardian, &mut oom_kills) {
                retry = retry.or(self.pause());
            }
            let look = self.watch();
            if retry.is_some_and(|time| time <= Instant::now()) {
                retry = None;
            }
            if let Some(start) = self.take_process() {
                next_id += 1;
                oom_kills.worker_starts();
                let before = wards.len();
                self.start_process(next_id, start, &mut wards);
                for ward in &wards[before..] {
                    guardian.watch(ward.child.pid());
                }
            } else if retry.is_none() && self.take_start() {
                next_id += 1;
                oom_kills.worker_starts();
                retry = self.start_one(next_id, &mut wards, &mut guardian);
            } else {
                let due = [retry, courier, guardian.due(), oom_kills.due()];
                self.wait_for_news(&wards, &guardian, due, look);
            }
        }
        self.end(wards, guardian, oom_kills);
    }

    /// True when a worker is to be started, which counts as being started then.
    fn take_start(&self) -> bool {
        let mut state = self.lock();
        let wanted = state.wanted > 0 && state.phase != Phase::Closed;
        state.wanted -= usize::from(wanted);
        state.starting += usize::from(wanted);
        wanted
    }

    /// Kills a worker that was doomed. One that has ended by itself is not blamed for what it was
    /// doomed for.
    fn kill(&self, ward: &Ward) {
        if is_readable(&ward.child) {
            let mut state = self.lock();
            let link = state.links.iter_mut().find(|link| link.id == ward.id);
            if let Some(link) = link.filter(|link| link.doom != Some(Doom::Unwanted)) {
                link.doom = None;
            }
        } else {
            ward.child.kill();
        }
    }

    /// Starts a worker and takes it into the pool. Gives the time of the next try if that fails.
    fn start_one(
        &self,
        id: u64,
        wards: &mut Vec<Ward>,
        guardian: &mut Guardian,
    ) -> Option<Instant> {
        let mut taken: Vec<usize> = wards.iter().filter_map(|ward| ward.slot).collect();
        #[cfg(feature = "mpi")]
        taken.extend(self.lock().numbers_of_nodes());
        taken.sort_unstable();
        let free = (0..).zip(&taken).find(|(slot, taken)| slot != *taken);
        let slot = Some(free.map_or(taken.len(), |(slot, _)| slot));
        #[cfg(feature = "mpi")]
        self.lock().keep_number(slot);
        let begin = now_nanos();
        let started = self.start(id, slot, None);
        let took = now_nanos().saturating_sub(begin);
        if let Ok((ward, _)) = &started {
            guardian.watch(ward.child.pid());
        }
        // Not under the lock: its arguments may be large.
        let init = self.hooks.init_chunk();
        let mut state = self.lock();
        state.starting -= 1;
        match started {
            Ok((ward, mut link)) => {
                wards.push(ward);
                state.tell_worker_started(&link, took);
                if let Some(init) = init {
                    self.give_init(&mut state, &mut link, init);
                }
                state.links.push(link);
                self.dismiss_surplus(&mut state);
                self.feed(&mut state);
                // The leader counts the workers before it spins or sleeps.
                state.ringer.ring();
                None
            }
            Err(error) => {
                self.start_failed(&mut state, &error.to_string());
                drop(state);
                self.pause()
            }
        }
    }

    /// When to try again, if workers died or failed at their start lately: soon at first, then less
    /// and less often.
    fn pause(&self) -> Option<Instant> {
        let state = self.lock();
        let doublings = [state.barren, state.init_failures].map(Barren::doublings);
        let doublings = doublings.into_iter().max().flatten()?;
        drop(state);
        Some(Instant::now() + FIRST_PAUSE * 2_u32.pow(doublings))
    }

    /// Waits until something happens, but not beyond the times at which something is due, or of the next
    /// look at the clock in nanoseconds.
    fn wait_for_news(
        &self,
        wards: &[Ward],
        guardian: &Guardian,
        due: [Option<Instant>; 4],
        look: u64,
    ) {
        let limits = wards.iter().filter_map(|ward| ward.birth);
        let next = limits.chain(due.into_iter().flatten()).min();
        let left = next.map(|time| time.saturating_duration_since(Instant::now()));
        let look =
            (look != u64::MAX).then(|| Duration::from_nanos(look.saturating_sub(now_nanos())));
        let left = left.into_iter().chain(look).min();
        let fds: Vec<_> = std::iter::once(self.notify.as_fd())
            .chain(guardian.fd())
            .chain(wards.iter().map(|ward| ward.child.as_fd()))
            .collect();
        self.sleep_on(&fds, left);
        self.notify.clear();
    }

    /// Waits for one of these, and for what workers write, but not longer than `left`.
    fn sleep_on(&self, fds: &[BorrowedFd<'_>], left: Option<Duration>) {
        let (unread, limit) = self.relay.unread();
        let others = fds.len();
        let pipes = unread.iter().map(|one| one.pipe.as_fd());
        let fds: Vec<_> = fds.iter().copied().chain(pipes).collect();
        let left = left.into_iter().chain(limit).min();
        // Should waiting fail, for lack of memory, looking at everything is right as well.
        let ready = wait_readable(&fds, left).unwrap_or_default();
        let written = unread.iter().zip(ready.iter().skip(others));
        for (one, _) in written.filter(|(_, ready)| **ready) {
            self.relay.look(one);
        }
    }

    /// Starts one worker, or a process. It can be given chunks at once, before it is ready.
    pub(super) fn start(
        &self,
        id: u64,
        slot: Option<usize>,
        process: Option<&Start>,
    ) -> io::Result<(Ward, Link)> {
        let segment = Segment::new(SEGMENT_BYTES)
            .map_err(|error| said("shared memory could not be made", error))?;
        let lane = Lane::map(&segment, true)
            .map_err(|error| said("shared memory could not be mapped", error))?;
        lane.parent
            .fingerprint
            .store(self.table.fingerprint(), Ordering::Release);
        let ends = self
            .relay
            .open(&self.setup, &lane)
            .map_err(|error| said("there is no way for its output", error))?;
        let known = |slot: usize| self.setup.numbers.get(slot).copied();
        let number = slot.map(|slot| known(slot).unwrap_or(slot));
        let orders = Orders {
            logs: ends.logs().map(|pipe| pipe.as_raw_fd()),
            id: number,
            init: self.hooks.has_init(),
            quiet: process.is_some_and(|start| start.unlimited),
            cpu: number.filter(|_| self.setup.pin_cpus),
            ..self.setup.orders
        };
        lane.orders().put(&orders.to_bytes());
        let (socket, theirs) =
            socket_pair().map_err(|error| said("there is no socket for it", error))?;
        let place = Place::reserve()
            .map_err(|error| said("there is no place for it in the family", error))?;
        let mut attach = Attach::new(&segment, &self.pool_segment, &self.notify, &theirs, &place);
        let named = process.and_then(|start| start.teller.life.name.clone());
        let naming = match process {
            Some(_) => Naming::of_process(named),
            None => Naming::of_worker(number, self.setup.actor.as_ref().map(|actor| actor.name)),
        };
        let arguments = naming.arguments();
        attach.title = naming.title();
        attach.name = naming.name;
        let (name, value) = attach.to_variable();
        let variables = process.and_then(|start| start.environment.clone());
        let variables = variables.or_else(|| self.setup.environment.apply());
        let directory = process.and_then(|start| start.directory.as_deref());
        let inherit = [
            segment.as_fd(),
            self.pool_segment.as_fd(),
            self.notify.as_fd(),
            theirs.as_fd(),
            place.fd(),
        ];
        let child = Child::spawn(&ChildSpec {
            arguments,
            environment: environment_with(variables, name, &value),
            directory: directory.or(self.setup.directory.as_deref()),
            inherit: inherit.into_iter().chain(ends.logs()).collect(),
            stdout: ends.get(Standard::Output),
            stderr: ends.get(Standard::Error),
        })
        .map_err(|error| said("this program could not be executed again", error))?;
        place.born(child.pid());
        let streams = self.relay.begin(ends, child.pid(), &lane);
        let mut link = Link::new(id, child.pid(), lane, socket);
        link.slot = slot;
        link.streams.clone_from(&streams);
        let most = self.setup.lifespan.items;
        link.keeps = self.keeps().then_some(self.table);
        link.quota = most.map_or(u64::MAX, |items| items as u64);
        let ward = Ward {
            id,
            slot,
            child,
            place,
            teller: None,
            birth: Some(Instant::now() + START_LIMIT),
            given_up: None,
            streams,
        };
        Ok((ward, link))
    }

    /// Takes note of the workers that are ready, and gives up those that will not be.
    fn greet(&self, wards: &mut [Ward]) {
        for ward in wards {
            let Some(limit) = ward.birth else {
                continue;
            };
            let mut state = self.lock();
            let Some(link) = state.links.iter_mut().find(|link| link.id == ward.id) else {
                continue;
            };
            let words = &link.lane.worker;
            let ready = words.ready.load(Ordering::Acquire) == READY;
            let agreed = words.fingerprint.load(Ordering::Relaxed) == self.table.fingerprint();
            let ready_at = words.ready_at.load(Ordering::Relaxed).min(now_nanos());
            let took = ready_at.saturating_sub(link.spawned);
            link.greeted |= ready && agreed;
            let (slot, pid) = (link.slot, link.pid);
            if ready && agreed {
                state.tell_worker_ready(slot, pid, took);
            }
            drop(state);
            if ready && agreed {
                ward.birth = None;
            } else if ready {
                ward.give_up("a new worker runs different code".to_owned());
            } else if limit <= Instant::now() {
                ward.give_up(format!("a new worker was not ready after {START_LIMIT:?}"));
            }
        }
    }

    /// Buries the workers that have ended; says whether there were any.
    fn reap(
        &self,
        wards: &mut Vec<Ward>,
        guardian: &mut Guardian,
        oom_kills: &mut OomKills,
    ) -> bool {
        let before = wards.len();
        let mut index = 0;
        while index < wards.len() {
            let Some((exit, usage)) = wards[index].child.try_wait() else {
                index += 1;
                continue;
            };
            let ward = wards.swap_remove(index);
            guardian.forget(ward.child.pid());
            // Others may wait for it.
            drop(ward.place);
            if let Some(streams) = &ward.streams {
                streams.end();
            }
            let out_of_memory = exit == Exit::KILLED && oom_kills.happened();
            let mut state = self.lock();
            if !state.silent {
                self.hear_last(&mut state, ward.id);
            }
            let link = state.links.iter().find(|link| link.id == ward.id);
            let refusal = link.and_then(refusal);
            let end = End {
                exit,
                usage,
                stderr: String::new(),
                out_of_memory,
                reason: refusal.or(ward.given_up),
            };
            state.tell_worker_ended(ward.id, ward.slot, ward.child.pid(), &end);
            // When the program ends, nobody is told anything any more.
            if !state.silent {
                self.bury(&mut state, ward.id, end);
            }
            if let Some(teller) = ward.teller {
                // Nothing of it is left when its end is told.
                drop(ward.child);
                self.tell_end(&mut state, &teller, exit);
            }
        }
        wards.len() < before
    }

    /// Takes note of what a dead worker did before it is told that it is gone.
    fn hear_last(&self, state: &mut State, id: u64) {
        let mut links = std::mem::take(&mut state.links);
        if let Some(link) = links.iter_mut().find(|link| link.id == id) {
            self.read(state, link);
            state.tell_cut_off(link);
        }
        state.links = links;
    }

    /// Waits until all workers have ended, for a limited time.
    fn see_off(&self, wards: &mut Vec<Ward>, guardian: &mut Guardian, oom_kills: &mut OomKills) {
        let limit = Instant::now() + END_LIMIT;
        while !wards.is_empty() && Instant::now() < limit {
            let fds: Vec<_> = wards.iter().map(|ward| ward.child.as_fd()).collect();
            self.sleep_on(&fds, Some(limit.saturating_duration_since(Instant::now())));
            self.reap(wards, guardian, oom_kills);
        }
    }

    /// Ends all workers: idle ones by asking, busy ones by force.
    fn end(&self, mut wards: Vec<Ward>, mut guardian: Guardian, mut oom_kills: OomKills) {
        let state = self.lock();
        if matches!(state.courier_thread, Thread::Wanted) {
            // There was no thread to be had for it.
            drop(self.wake_due(state));
        } else {
            drop(state);
        }
        // Some may have become ready just now.
        self.greet(&mut wards);
        // No item is told any more how its worker ended.
        oom_kills.waive();
        let told = self.lock().tells_peaks();
        for ward in &mut wards {
            if told {
                ward.child.note_peak();
            }
            ward.child.waive_peak();
        }
        {
            let mut state = self.lock();
            let killed = state.killed;
            let mut links = std::mem::take(&mut state.links);
            for link in &mut links {
                let ready = link.idle() && link.greeted && link.init.is_done();
                if (ready || link.dismissed.is_some()) && !killed {
                    self.dismiss(&mut state, link);
                } else if let Some(ward) = wards.iter().find(|ward| ward.id == link.id) {
                    ward.child.kill();
                }
            }
            state.links = links;
        }
        self.see_off(&mut wards, &mut guardian, &mut oom_kills);
        for ward in &wards {
            ward.child.kill();
        }
        self.see_off(&mut wards, &mut guardian, &mut oom_kills);
        // Dropping a child that was killed reaps it.
        drop(wards);
        let mut state = self.lock();
        state.links.clear();
        state.starts.clear();
    }
}

fn said(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Why a worker cannot serve, if it says that it cannot.
fn refusal(link: &Link) -> Option<String> {
    let refused = link.lane.worker.ready.load(Ordering::Acquire) == REFUSED;
    let text = link.lane.last_words().get().filter(|_| refused)?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

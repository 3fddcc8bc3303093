//! The thread that starts workers, greets them, sees them end, and ends them.
//!
//! It is the only thread that starts processes: the kernel ends a worker when the thread that
//! started it ends, and this one ends last, when the pool is closed or the program is gone.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ipc_channel::ipc::{IpcOneShotServer, IpcSender};

use super::link::Link;
use super::shared::Shared;
use super::state::Phase;
use crate::shm::{Lane, SEGMENT_BYTES};
use crate::sys::{Child, ChildSpec, Exit, Segment, reserve_descriptors, wait_readable};
use crate::wire::Greeting;
use crate::worker::Attach;

/// A worker that has not greeted after this time is given up: constructors of the program or of its
/// libraries hang.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Idle workers run their exit handlers when the pool closes, for as long as this.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Descriptors that starting a worker takes, for a moment or longer.
const DESCRIPTORS: usize = 8;

/// A worker as the supervisor knows it.
struct Ward {
    id: u64,
    child: Child,
    /// Until the worker has greeted.
    birth: Option<Birth>,
}

struct Birth {
    server: IpcOneShotServer<Greeting>,
    name: String,
    limit: Instant,
}

impl Shared {
    /// The supervisor's life; all workers are gone when it returns.
    pub(super) fn supervise(&self) {
        let mut wards: Vec<Ward> = Vec::new();
        let mut next_id = 0;
        loop {
            let (wanted, condemned, phase) = {
                let mut state = self.lock();
                let wanted = std::mem::take(&mut state.wanted);
                state.starting += wanted;
                (wanted, std::mem::take(&mut state.condemned), state.phase)
            };
            if phase == Phase::Closed {
                return self.end(wards);
            }
            for ward in wards.iter().filter(|ward| condemned.contains(&ward.id)) {
                ward.child.kill();
            }
            for _ in 0..wanted {
                next_id += 1;
                let started = self.start(next_id);
                let mut state = self.lock();
                state.starting -= 1;
                match started {
                    Ok((ward, link)) => {
                        wards.push(ward);
                        state.links.push(link);
                        self.feed(&mut state);
                        // The leader counts the workers before it spins or sleeps.
                        state.ringer.ring();
                    }
                    Err(error) => self.start_failed(&mut state, &error.to_string()),
                }
            }
            self.wait_for_news(&mut wards);
            self.greet(&mut wards);
            self.reap(&mut wards);
        }
    }

    fn wait_for_news(&self, wards: &mut [Ward]) {
        let limit = wards
            .iter()
            .filter_map(|ward| ward.birth.as_ref())
            .map(|birth| birth.limit);
        let left = limit
            .min()
            .map(|limit| limit.saturating_duration_since(Instant::now()));
        let fds: Vec<_> = std::iter::once(self.notify.as_fd())
            .chain(wards.iter().map(|ward| ward.child.as_fd()))
            .collect();
        // Should waiting fail, for lack of memory, looking at everything is right as well.
        let _ = wait_readable(&fds, left);
        self.notify.clear();
    }

    /// Starts one worker. It can be given chunks at once, before it has greeted.
    fn start(&self, id: u64) -> io::Result<(Ward, Link)> {
        // The channel library panics when it finds no free descriptor half-way.
        reserve_descriptors(DESCRIPTORS).map_err(|error| said("no descriptors are left", error))?;
        let segment = Segment::new(SEGMENT_BYTES)
            .map_err(|error| said("shared memory could not be made", error))?;
        let lane = Lane::map(&segment, true)
            .map_err(|error| said("shared memory could not be mapped", error))?;
        lane.parent
            .fingerprint
            .store(self.table.fingerprint(), Ordering::Release);
        let (server, name) = IpcOneShotServer::<Greeting>::new().map_err(|error| {
            said(
                "a socket could not be made in the folder for temporary files",
                error,
            )
        })?;
        let attach = Attach::new(&segment, &self.pool_segment, &self.notify, name.clone());
        let child = Child::spawn(&ChildSpec {
            variable: attach.to_variable(),
            inherit: vec![
                segment.as_fd(),
                self.pool_segment.as_fd(),
                self.notify.as_fd(),
            ],
        })
        .map_err(|error| said("this program could not be executed again", error))?;
        let link = Link::new(id, child.pid(), lane);
        let birth = Birth {
            server,
            name,
            limit: Instant::now() + START_LIMIT,
        };
        Ok((
            Ward {
                id,
                child,
                birth: Some(birth),
            },
            link,
        ))
    }

    /// Takes the greetings of workers that are ready.
    fn greet(&self, wards: &mut [Ward]) {
        for ward in wards.iter_mut().filter(|ward| ward.birth.is_some()) {
            let mut state = self.lock();
            let Some(link) = state.links.iter_mut().find(|link| link.id == ward.id) else {
                continue;
            };
            let ready = link.lane.worker.ready.load(Ordering::Acquire) != 0;
            link.greeted |= ready;
            drop(state);
            let late = ward
                .birth
                .as_ref()
                .is_some_and(|birth| birth.limit <= Instant::now());
            if late && !ready {
                ward.child.kill();
            } else if ready && let Some(birth) = ward.birth.take() {
                // It is there already: the worker says that it is ready after it was sent.
                let agreed = birth.server.accept().is_ok_and(|(_, greeting)| {
                    greeting.refusal.is_none() && greeting.fingerprint == self.table.fingerprint()
                });
                if !agreed {
                    ward.child.kill();
                }
            }
        }
    }

    /// Buries the workers that have ended.
    fn reap(&self, wards: &mut Vec<Ward>) {
        let mut index = 0;
        while index < wards.len() {
            let Some(exit) = wards[index].child.try_wait() else {
                index += 1;
                continue;
            };
            let ward = wards.swap_remove(index);
            let reason = ward.birth.map(|birth| birth.last_words(exit));
            self.bury(&mut self.lock(), ward.id, exit, reason);
        }
    }

    /// Ends all workers: idle ones by asking, busy ones by force.
    fn end(&self, mut wards: Vec<Ward>) {
        {
            let mut state = self.lock();
            for link in &mut state.links {
                if link.idle() && link.greeted {
                    link.lane.parent.closing.0.store(1, Ordering::Release);
                    link.ring();
                } else if let Some(ward) = wards.iter().find(|ward| ward.id == link.id) {
                    ward.child.kill();
                }
            }
        }
        let limit = Instant::now() + END_LIMIT;
        while !wards.is_empty() && Instant::now() < limit {
            let fds: Vec<_> = wards.iter().map(|ward| ward.child.as_fd()).collect();
            let _ = wait_readable(&fds, Some(limit.saturating_duration_since(Instant::now())));
            self.reap(&mut wards);
        }
        for ward in &wards {
            ward.child.kill();
        }
        // Dropping a child that was killed reaps it.
        drop(wards);
        self.lock().links.clear();
    }
}

fn said(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl Birth {
    /// Why a worker ended before it was ready: what it said, or else how it ended.
    fn last_words(self, exit: Exit) -> String {
        // `accept` has no time limit. A greeting of our own, behind that of the worker if it sent
        // one, keeps it from waiting for ever.
        let own = IpcSender::connect(self.name).and_then(|sender| {
            let greeting = Greeting {
                fingerprint: 0,
                refusal: None,
            };
            sender
                .send(greeting)
                .map_err(|error| io::Error::other(error.to_string()))
        });
        let said = own.ok().and_then(|()| self.server.accept().ok());
        match said.and_then(|(_, greeting)| greeting.refusal) {
            Some(refusal) => refusal,
            None => format!("a new worker {exit} before it was ready"),
        }
    }
}

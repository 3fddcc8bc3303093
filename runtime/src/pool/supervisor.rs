//! The thread that starts workers, greets them, sees them end, and ends them.
//!
//! It is the only thread that starts processes: the kernel ends a worker when the thread that
//! started it ends, and this one ends last, when the pool is closed or the program is gone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ipc_channel::ipc::{IpcOneShotServer, IpcSender};
use rustix::fs::{Access, Mode, OFlags};

use super::link::Link;
use super::shared::Shared;
use super::state::Phase;
use crate::shm::{Lane, SEGMENT_BYTES};
use crate::sys::{Child, ChildSpec, Exit, Segment, reserve_descriptors, wait_readable};
use crate::wire::Greeting;
use crate::worker::{Attach, descriptor_path};

/// A worker that has not greeted after this time is given up: constructors of the program or of its
/// libraries hang.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Idle workers run their exit handlers when the pool closes, for as long as this.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Behind it come the library's folder and the socket, and the kernel takes 107 bytes.
const LONGEST_FOLDER: usize = 80;
/// The pause after a failed start; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Descriptors that starting a worker takes, for a moment or longer.
const DESCRIPTORS: usize = 10;

/// A worker as the supervisor knows it.
struct Ward {
    id: u64,
    child: Child,
    /// Until the worker has greeted.
    birth: Option<Birth>,
}

struct Birth {
    server: IpcOneShotServer<Greeting>,
    /// Its socket, which has no name any more.
    socket: OwnedFd,
    limit: Instant,
}

impl Shared {
    /// The supervisor's life; all workers are gone when it returns.
    pub(super) fn supervise(&self) {
        let mut wards: Vec<Ward> = Vec::new();
        let mut next_id = 0;
        // When the next worker may be started, after one could not.
        let mut retry = None;
        loop {
            let (condemned, wanted) = {
                let mut state = self.lock();
                if state.phase == Phase::Closed {
                    break;
                }
                if retry.is_some_and(|time| time <= Instant::now()) {
                    retry = None;
                }
                let wanted = state.wanted > 0 && retry.is_none();
                state.wanted -= usize::from(wanted);
                state.starting += usize::from(wanted);
                (std::mem::take(&mut state.condemned), wanted)
            };
            for ward in wards.iter().filter(|ward| condemned.contains(&ward.id)) {
                ward.child.kill();
            }
            if wanted {
                next_id += 1;
                retry = self.start_one(next_id, &mut wards);
                if retry.is_none() {
                    continue;
                }
            }
            self.wait_for_news(&wards, retry);
            self.greet(&mut wards);
            if self.reap(&mut wards) {
                retry = retry.or(self.pause());
            }
        }
        self.end(wards);
    }

    /// Starts a worker and takes it into the pool. Gives the time of the next try if that fails.
    fn start_one(&self, id: u64, wards: &mut Vec<Ward>) -> Option<Instant> {
        let started = self.start(id);
        let mut state = self.lock();
        state.starting -= 1;
        match started {
            Ok((ward, link)) => {
                wards.push(ward);
                state.links.push(link);
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
        let doublings = self.lock().barren.doublings()?;
        Some(Instant::now() + FIRST_PAUSE * 2_u32.pow(doublings))
    }

    fn wait_for_news(&self, wards: &[Ward], retry: Option<Instant>) {
        let limits = wards
            .iter()
            .filter_map(|ward| ward.birth.as_ref())
            .map(|birth| birth.limit);
        let next = limits.chain(retry).min();
        let left = next.map(|time| time.saturating_duration_since(Instant::now()));
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
        let (server, socket) = greeting_server()?;
        let attach = Attach::new(&segment, &self.pool_segment, &self.notify, &socket);
        let child = Child::spawn(&ChildSpec {
            variable: attach.to_variable(),
            inherit: vec![
                segment.as_fd(),
                self.pool_segment.as_fd(),
                self.notify.as_fd(),
                socket.as_fd(),
            ],
        })
        .map_err(|error| said("this program could not be executed again", error))?;
        let link = Link::new(id, child.pid(), lane);
        let birth = Birth {
            server,
            socket,
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

    /// Buries the workers that have ended; says whether there were any.
    fn reap(&self, wards: &mut Vec<Ward>) -> bool {
        let before = wards.len();
        let mut index = 0;
        while index < wards.len() {
            let Some(exit) = wards[index].child.try_wait() else {
                index += 1;
                continue;
            };
            let ward = wards.swap_remove(index);
            let reason = ward.birth.map(|birth| birth.last_words(exit));
            let mut state = self.lock();
            // When the program ends, nobody is told anything any more.
            if !state.silent {
                self.bury(&mut state, ward.id, exit, reason);
            }
        }
        wards.len() < before
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

/// A server for one greeting, and its socket.
///
/// The library makes the socket in a folder of its own below the one for temporary files. Both are
/// removed at once, so that nothing is left however this program ends: a worker connects through
/// the descriptor.
fn greeting_server() -> io::Result<(IpcOneShotServer<Greeting>, OwnedFd)> {
    let what = "a socket could not be made in the folder for temporary files";
    let folder = std::env::temp_dir();
    // The library would cut a longer path, and panics without the folder.
    if folder.as_os_str().len() > LONGEST_FOLDER {
        let error = io::Error::new(io::ErrorKind::InvalidFilename, "its path is too long");
        return Err(said(what, error));
    }
    rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| said(what, error.into()))?;
    let made = catch_unwind(IpcOneShotServer::<Greeting>::new);
    let (server, path) = made
        .unwrap_or_else(|_| Err(io::Error::other("no folder could be made there")))
        .map_err(|error| said(what, error))?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let socket = rustix::fs::open(&path, flags, Mode::empty())
        .map_err(|error| said("a socket could not be opened", error.into()))?;
    let path = Path::new(&path);
    // What is not removed here goes with the server.
    let _ = std::fs::remove_file(path);
    let _ = path.parent().map(std::fs::remove_dir);
    Ok((server, socket))
}

fn said(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl Birth {
    /// Why a worker ended before it was ready: what it said, or else how it ended.
    fn last_words(self, exit: Exit) -> String {
        // `accept` has no time limit. A greeting of our own, behind that of the worker if it sent
        // one, keeps it from waiting for ever.
        let own = IpcSender::connect(descriptor_path(&self.socket)).and_then(|sender| {
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

//! Has a process ready that ends what workers have started, should the program be killed.

use std::fs::File;
use std::io;
use std::io::{PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::shm::{GROUPS, GROUPS_BYTES, Groups, Leader};
use crate::sys::{Child, ChildSpec, Segment, UNKNOWN, environment_with, open_self, started};
use crate::worker::{GUARD_NAME, GuardAttach};

/// Programs that are done earlier than this after their first worker have no guardian.
const DELAY: Duration = Duration::from_millis(200);
/// When a worker was started is asked for so long after that: many a process of its own is gone by then.
const TELL_DELAY: Duration = Duration::from_millis(10);
/// A guardian that could not be started, or that has ended, is replaced so many times. Each time
/// takes twice as long as the one before.
const TRIES: u32 = 8;

/// The guardian of a pool; dropping it ends it.
///
/// When this program ends, in whatever way, or becomes another one by `exec`, the guardian kills the
/// process groups of the workers that are watched. It cannot do so
///
/// - for processes that have left the group of their worker,
/// - within the first moments of a pool: it is started a while after the first worker, so that a short
///   program does not pay for it,
/// - for workers beyond the first [`GROUPS`], and where no further process can be started.
#[derive(Debug)]
pub(super) struct Guardian {
    /// Ids of the leaders of groups, by slot.
    leaders: Vec<Option<u32>>,
    /// Slots of leaders that it was told the ids of only, and when it is told the rest.
    untold: Vec<usize>,
    tell_at: Option<Instant>,
    /// When to start it; none while it runs or is not needed.
    due: Option<Instant>,
    tries: u32,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    groups: Groups,
    /// Closes when the program ends or becomes another one.
    _pipe: PipeWriter,
}

impl Guardian {
    /// Starts nothing before there is something to watch.
    pub(super) fn new() -> Self {
        Self {
            leaders: Vec::new(),
            untold: Vec::new(),
            tell_at: None,
            due: None,
            tries: 0,
            process: None,
        }
    }

    /// The group that this child of ours leads is killed when the program ends.
    pub(super) fn watch(&mut self, id: u32) {
        let free = self.leaders.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.leaders.len());
        if slot == GROUPS {
            return;
        }
        if slot == self.leaders.len() {
            self.leaders.push(None);
        }
        self.set(slot, Some(id));
        if self.process.is_none() && self.tries == 0 {
            self.due.get_or_insert_with(|| Instant::now() + DELAY);
        }
    }

    /// The child has ended and was reaped.
    pub(super) fn forget(&mut self, id: u32) {
        if let Some(slot) = self.leaders.iter().position(|leader| *leader == Some(id)) {
            self.set(slot, None);
        }
    }

    fn set(&mut self, slot: usize, leader: Option<u32>) {
        self.leaders[slot] = leader;
        self.untold.retain(|one| *one != slot);
        if let Some(process) = &self.process {
            let leader = leader.map(|id| Leader {
                id,
                started: UNKNOWN,
            });
            process.groups.set(slot, leader);
            if leader.is_some() {
                self.untold.push(slot);
                let at = || Instant::now() + TELL_DELAY;
                self.tell_at.get_or_insert_with(at);
            }
        }
        if self.untold.is_empty() {
            self.tell_at = None;
        }
    }

    fn tell(&mut self) {
        self.tell_at = None;
        for slot in std::mem::take(&mut self.untold) {
            if let Some(process) = &self.process {
                let leader = self.leaders[slot].and_then(known);
                process.groups.set(slot, leader);
            }
        }
    }

    /// When [`tend`](Self::tend) has something to do, if nothing happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.tell_at).min()
    }

    /// Readable when [`tend`](Self::tend) has something to do.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.process.as_ref().map(|process| process.child.as_fd())
    }

    /// Starts the guardian when it is due, and again when it has ended.
    pub(super) fn tend(&mut self) {
        let ended = |process: &mut Process| process.child.try_wait().is_some();
        if self.process.as_mut().is_some_and(ended) {
            self.process = None;
            self.retry();
        }
        if self.tell_at.is_some_and(|at| at <= Instant::now()) {
            self.tell();
        }
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            match self.start() {
                Ok(process) => self.process = Some(process),
                // A program can do without.
                Err(_) => self.retry(),
            }
        }
    }

    fn retry(&mut self) {
        self.tries += 1;
        self.due = (self.tries < TRIES).then(|| Instant::now() + DELAY * 2_u32.pow(self.tries));
    }

    fn start(&self) -> io::Result<Process> {
        let segment = Segment::new(GROUPS_BYTES)?;
        let groups = Groups::map(&segment, true)?;
        for (slot, leader) in self.leaders.iter().enumerate() {
            groups.set(slot, leader.and_then(known));
        }
        let program = open_self()?;
        let (reader, writer) = pipe()?;
        let null = File::options().write(true).open("/dev/null")?;
        let attach = GuardAttach::new(&program, &reader, &segment);
        let (name, value) = attach.to_variable();
        let child = Child::spawn(&ChildSpec {
            arguments: vec![GUARD_NAME.into()],
            environment: environment_with(None, name, &value),
            stdout: Some(null.as_fd()),
            stderr: Some(null.as_fd()),
            inherit: vec![program.as_fd(), reader.as_fd(), segment.as_fd()],
            ..ChildSpec::default()
        })?;
        Ok(Process {
            child,
            groups,
            _pipe: writer,
        })
    }
}

/// A child that has not been reaped, as the guardian will know it. Short programs, which have no guardian,
/// are not delayed by asking.
fn known(id: u32) -> Option<Leader> {
    // Without /proc the guardian could not tell the child from another one either.
    started(id).map(|started| Leader { id, started })
}

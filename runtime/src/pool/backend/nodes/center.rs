//! Rank 0's thread for everything that has to do with the other ranks.
//!
//! Pools leave messages in its box; what comes it puts into the states of the pools. MPI gives no descriptor to
//! wait on, so it looks again and again: without pause while there is an answer to expect and a CPU for it, then
//! less and less often.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::casts::{Casts, Keeper};
use super::gate;
use super::hello::slots;
use super::line::{Incoming, Line, silence};
use super::message::{Hello, News, Number, Order, PoolId};
use super::news::run_apart;
use super::outgoing::{Body, Outgoing};
use super::pace::Pace;
use super::room::Room;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::shared::Shared;
use crate::sys::{at_exit, end_sibling, host_name, is_running, now_nanos, spawn_quiet, started};
use crate::transport::Transport;

/// A rank that says nothing for so long is lost, unless it is said otherwise.
const SILENCE_NANOS: u64 = 1_800_000_000;
/// One whose process can be seen on this machine is so only when it says nothing for so long.
const PATIENCE_NANOS: u64 = 10_000_000_000;
/// When this rank itself stood still for so long, silence of others means nothing.
const STALL_NANOS: u64 = 500_000_000;
/// What the first words of all ranks may take.
pub(super) const HELLO_LIMIT: Duration = Duration::from_secs(60);
/// What the end may take.
const END_LIMIT: Duration = Duration::from_secs(10);
/// So often it is looked whether a node stands still.
const LOOK_NANOS: u64 = 5_000_000;

static CENTER: OnceLock<&'static Center> = OnceLock::new();

/// Rank 0's side of a launch.
#[derive(Debug)]
pub(in crate::pool) struct Center {
    outbox: Mutex<Outbox>,
    /// Something was put into the box.
    wake: Condvar,
    ranks: Mutex<Ranks>,
    /// Something became of a rank, or of a pool there.
    pub(super) changed: Condvar,
    /// Of this process; a copy that `fork` made has no thread.
    pid: u32,
    silence: u64,
    /// As long as its process can be seen on this machine: it only has no CPU then, or is stopped.
    patience: u64,
    pub(super) keeper: Keeper,
    /// The launcher waits for all ranks, also for those that were lost.
    outlives_ranks: bool,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: Vec<(usize, Outgoing<Source>)>,
    pub(super) to_all: Vec<Outgoing<Source>>,
    pub(super) casts: Casts,
    ending: bool,
}

#[derive(Debug)]
struct Ranks {
    hellos: Vec<Option<Hello>>,
    /// Nanoseconds by which each one's clock is behind ours.
    behind: Vec<i64>,
    lost: Vec<bool>,
    pools: HashMap<PoolId, Weak<Shared>>,
    next_pool: PoolId,
    /// Why nothing can be said to anybody any more.
    broken: Option<String>,
    over: bool,
}

/// A rank that said who it is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) rank: usize,
    pub(super) hello: Hello,
    /// How many workers it has.
    pub(super) slots: usize,
}

/// Where the arguments of a chunk are until they are sent.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) shared: Weak<Shared>,
    pub(super) rank: usize,
    pub(super) number: Number,
}

/// The center, in rank 0 of a launch.
pub(in crate::pool) fn center() -> Option<&'static Center> {
    gate::link();
    let center = CENTER.get().copied()?;
    (center.pid == std::process::id()).then_some(center)
}

/// Begins the thread, which makes the transport: it alone may use that. Waits until that is there.
pub(super) fn begin(
    outlives_ranks: bool,
    join: impl FnOnce() -> io::Result<Box<dyn Transport>> + Send + 'static,
) -> io::Result<&'static Center> {
    let joined: Arc<(Mutex<Option<io::Result<&'static Center>>>, Condvar)> = Arc::default();
    let tell = Arc::clone(&joined);
    spawn_quiet("parproc-nodes", move || {
        let outcome =
            join().map(|transport| (Center::new(transport.size(), outlives_ranks), transport));
        let (answer, work) = match outcome {
            Ok((center, transport)) => (Ok(center), Some((center, transport))),
            Err(error) => (Err(error), None),
        };
        *tell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        tell.1.notify_all();
        if let Some((center, transport)) = work {
            center.live(transport);
        }
    })?;
    let mut answer = joined.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(answer) = answer.take() {
            return answer;
        }
        answer = joined
            .1
            .wait(answer)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// Has pools use the center, until the program ends.
pub(super) fn install(center: &'static Center) {
    if CENTER.set(center).is_ok() {
        at_exit(leave);
    }
}

extern "C" fn leave() {
    if let Some(center) = center() {
        center.end();
    }
}

impl Center {
    fn new(size: usize, outlives_ranks: bool) -> &'static Self {
        // It lasts as long as the program.
        Box::leak(Box::new(Self {
            outbox: Mutex::default(),
            wake: Condvar::new(),
            ranks: Mutex::new(Ranks {
                hellos: vec![None; size],
                behind: vec![0; size],
                lost: vec![false; size],
                pools: HashMap::new(),
                next_pool: 1,
                broken: None,
                over: false,
            }),
            changed: Condvar::new(),
            pid: std::process::id(),
            keeper: Keeper::default(),
            silence: silence().unwrap_or(SILENCE_NANOS),
            patience: silence().unwrap_or(PATIENCE_NANOS),
            outlives_ranks,
        }))
    }

    fn ranks(&self) -> MutexGuard<'_, Ranks> {
        self.ranks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a message sent.
    pub(super) fn post(&self, rank: usize, message: Outgoing<Source>) {
        self.outbox().messages.push((rank, message));
        self.wake.notify_one();
    }

    /// Something was put into the box.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Has an order sent.
    pub(super) fn tell(&self, rank: usize, order: &Order) {
        self.post(rank, Outgoing::new(order, Body::Inline(0)));
    }

    /// All ranks, with how many workers each of them has; rank 0 is the first.
    ///
    /// Fails when one of them is another program, or does not say who it is.
    pub(super) fn nodes(&self, own: Hello) -> Result<Vec<Place>> {
        let limit = Instant::now() + HELLO_LIMIT;
        let mut ranks = self.ranks();
        loop {
            if let Some(reason) = &ranks.broken {
                return Err(refused(reason.clone()));
            }
            let missing = (1..ranks.hellos.len())
                .find(|rank| ranks.hellos[*rank].is_none() && !ranks.lost[*rank]);
            let left = limit.saturating_duration_since(Instant::now());
            match missing {
                None => break,
                Some(rank) if left.is_zero() => {
                    return Err(refused(format!(
                        "rank {rank} of {} did not say within {HELLO_LIMIT:?} who it is; all ranks \
                         have to be the same program",
                        ranks.hellos.len()
                    )));
                }
                Some(_) => {
                    ranks = self
                        .changed
                        .wait_timeout(ranks, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
        }
        ranks.hellos[0] = Some(own.clone());
        let mut known = Vec::new();
        for (rank, hello) in ranks.hellos.iter().enumerate() {
            if let Some(hello) = hello {
                if hello.fingerprint != own.fingerprint {
                    return Err(refused(format!(
                        "rank {rank} on {} runs other functions than rank 0: it is `{}`, and this is \
                         `{}`; start the same build of one program on all ranks",
                        hello.host,
                        hello.program.display(),
                        own.program.display()
                    )));
                }
                known.push(hello.clone());
            }
        }
        let slots = slots(&known);
        // One that was lost before it said anything has no place.
        let hellos = ranks.hellos.iter().enumerate();
        let said = hellos.filter_map(|(rank, hello)| hello.as_ref().map(|_| rank));
        let places = said.zip(known).zip(slots).map(|((rank, hello), slots)| {
            let slots = if ranks.lost[rank] { 0 } else { slots };
            Place { rank, hello, slots }
        });
        Ok(places.collect())
    }

    /// By how many nanoseconds that rank's clock is behind ours; as much too many as its first words took.
    pub(super) fn clock_of(&self, rank: usize) -> i64 {
        self.ranks().behind.get(rank).copied().unwrap_or(0)
    }

    /// True while the rank's process can be seen on this machine.
    fn is_here(&self, rank: usize) -> bool {
        let ranks = self.ranks();
        let Some(Some(hello)) = ranks.hellos.get(rank) else {
            return false;
        };
        let same = hello.started.is_some() && started(hello.pid) == hello.started;
        same && hello.host == host_name() && is_running(hello.pid)
    }

    /// True while the rank is there.
    pub(super) fn is_there(&self, rank: usize) -> bool {
        let ranks = self.ranks();
        ranks.broken.is_none() && !ranks.lost.get(rank).copied().unwrap_or(true)
    }

    /// Takes a pool into account; gives its name.
    pub(super) fn enter(&self, shared: &Weak<Shared>) -> PoolId {
        let mut ranks = self.ranks();
        let id = ranks.next_pool;
        ranks.next_pool += 1;
        ranks.pools.insert(id, Weak::clone(shared));
        id
    }

    pub(super) fn forget_pool(&self, pool: PoolId) {
        self.ranks().pools.remove(&pool);
    }

    /// Waits for something to become of a rank, or of a pool there.
    pub(super) fn wait_for_change(&self, limit: Duration) {
        let waited = self.changed.wait_timeout(self.ranks(), limit);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn note_change(&self) {
        // Whoever looks whether there was one has the lock until it waits.
        drop(self.ranks());
        self.changed.notify_all();
    }

    fn pool(&self, id: PoolId) -> Option<Arc<Shared>> {
        self.ranks().pools.get(&id)?.upgrade()
    }

    /// The end of the program: everybody leaves.
    fn end(&self) {
        self.outbox().ending = true;
        self.wake.notify_one();
        let limit = Instant::now() + END_LIMIT;
        let mut ranks = self.ranks();
        while !ranks.over {
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            ranks = self
                .changed
                .wait_timeout(ranks, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Center {
    /// The thread's life.
    fn live(&'static self, transport: Box<dyn Transport>) {
        let mut line = Line::new(transport);
        let lived = catch_unwind(AssertUnwindSafe(|| self.work(&mut line)));
        let outcome = lived
            .unwrap_or_else(|_| Err(io::Error::other("the thread that speaks to them panicked")));
        if let Err(error) = &outcome {
            self.break_down(&mut line, &error.to_string());
        }
        let lost = self.lost_here();
        let orderly = outcome.is_ok() && !self.ranks().lost.contains(&true);
        line.finish(orderly);
        // One that stands still on this machine would keep the launcher from its end.
        if self.outlives_ranks {
            lost.into_iter().for_each(end_sibling);
        }
        self.ranks().over = true;
        self.changed.notify_all();
    }

    /// Has the pools look after what stands still on nodes.
    fn look(&self) {
        let ranks = self.ranks();
        let pools: Vec<_> = ranks.pools.values().filter_map(Weak::upgrade).collect();
        drop(ranks);
        for shared in pools {
            shared.look_at_nodes();
            let_go(shared);
        }
    }

    fn work(&'static self, line: &mut Line<News, Source>) -> io::Result<()> {
        let size = self.ranks().hellos.len();
        let mut pace = Pace::new(size);
        let mut last = now_nanos();
        let mut told = None;
        let mut looked = last;
        let mut told_to: Vec<Arc<Shared>> = Vec::new();
        loop {
            let (to_all, messages, ending) = {
                let mut outbox = self.outbox();
                let to_all = std::mem::take(&mut outbox.to_all);
                (to_all, std::mem::take(&mut outbox.messages), outbox.ending)
            };
            let mut busy = !messages.is_empty() || !to_all.is_empty();
            for message in to_all {
                line.post_to_all(message);
            }
            for (rank, message) in messages {
                line.post(rank, message);
            }
            busy |= line.send(|source, offset, count, out| source.read(offset, count, out));
            while let Some(message) = line.receive(|from, head, len| self.room(from, head, len))? {
                busy = true;
                if let Some(shared) = self.take(message)
                    && !told_to.iter().any(|known| Arc::ptr_eq(known, &shared))
                {
                    told_to.push(shared);
                }
            }
            for shared in told_to.drain(..) {
                shared.after_news();
                let_go(shared);
            }
            let now = now_nanos();
            if now - last > STALL_NANOS {
                line.excuse(now);
            }
            last = now;
            line.pulse(now);
            if now - looked > LOOK_NANOS {
                looked = now;
                self.look();
            }
            for rank in 1..size {
                let silent = now.saturating_sub(line.heard(rank));
                if silent > self.silence && (silent > self.patience || !self.is_here(rank)) {
                    self.lose(line, rank);
                }
            }
            if ending && told.is_none() {
                told = Some(now);
                let orderly = !self.ranks().lost.contains(&true);
                for rank in 1..size {
                    line.post(
                        rank,
                        Outgoing::new(&Order::Leave { orderly }, Body::Inline(0)),
                    );
                }
                line.tell_lost(|| Outgoing::new(&Order::Leave { orderly }, Body::Inline(0)));
            } else if told.is_some() && line.is_drained() {
                return Ok(());
            }
            if let Some(pause) = pace.next(busy || ending, line.is_moving(), now) {
                let outbox = self.outbox();
                if outbox.messages.is_empty() && outbox.to_all.is_empty() && !outbox.ending {
                    drop(self.wake.wait_timeout(outbox, pause));
                }
            }
        }
    }

    /// Where the body of a message goes.
    fn room(&self, from: usize, head: &News, len: usize) -> Room {
        match head {
            News::Large { pool, number, .. } => self
                .pool(*pool)
                .and_then(|shared| shared.landing_of(from, *number, len))
                .map_or(Room::Nothing(len), |landing| Room::landing(landing, len)),
            News::Object(_, _, twin) => Room::object(*twin, len),
            _ => Room::bytes(len),
        }
    }

    /// Takes in a message; gives the pool that it was for.
    fn take(&self, message: Incoming<News>) -> Option<Arc<Shared>> {
        let Incoming { from, head, body } = message;
        if let News::Hello(hello) = head {
            let mut ranks = self.ranks();
            if let Some(behind) = ranks.behind.get_mut(from) {
                *behind = now_nanos() as i64 - hello.now as i64;
            }
            if let Some(known) = ranks.hellos.get_mut(from) {
                *known = Some(hello);
            }
            drop(ranks);
            self.changed.notify_all();
            return None;
        }
        let shared = self.pool(head.pool()?)?;
        shared.take_news(from, head, body);
        Some(shared)
    }

    /// The lost ranks of this machine.
    fn lost_here(&self) -> Vec<u32> {
        let ranks = self.ranks();
        let here = host_name();
        let lost = ranks.hellos.iter().zip(&ranks.lost);
        let lost = lost.filter_map(|(hello, lost)| hello.as_ref().filter(|_| *lost));
        let lost = lost.filter(|hello| hello.host == here);
        lost.map(|hello| hello.pid).collect()
    }

    /// A rank is lost.
    fn lose(&self, line: &mut Line<News, Source>, rank: usize) {
        let mut ranks = self.ranks();
        if std::mem::replace(&mut ranks.lost[rank], true) {
            return;
        }
        let pools: Vec<_> = ranks.pools.values().filter_map(Weak::upgrade).collect();
        drop(ranks);
        line.forget(rank, Outgoing::new(&Order::Retire, Body::Inline(0)));
        for shared in pools {
            shared.lose_node(rank);
            let_go(shared);
        }
        self.changed.notify_all();
    }

    /// Nothing can be said to anybody any more.
    fn break_down(&self, line: &mut Line<News, Source>, reason: &str) {
        self.ranks().broken = Some(format!("the way to the other ranks is broken: {reason}"));
        let size = self.ranks().hellos.len();
        for rank in 1..size {
            self.lose(line, rank);
        }
    }
}

impl Source {
    fn read(&self, offset: usize, count: usize, out: &mut Vec<u8>) -> bool {
        let Some(shared) = self.shared.upgrade() else {
            return false;
        };
        let state = shared.lock_and_leave();
        let node = state.nodes.iter().find(|node| node.rank == self.rank);
        node.is_some_and(|node| node.read(self.number, offset, count, out))
    }
}

fn refused(reason: String) -> Error {
    Error::new(ErrorKind::Launch { reason })
}

/// Lets go of a pool that may be over: what was the user's is not dropped in the thread for which others wait.
fn let_go(shared: Arc<Shared>) {
    if let Some(last) = Arc::into_inner(shared) {
        run_apart(move || drop(last));
    }
}

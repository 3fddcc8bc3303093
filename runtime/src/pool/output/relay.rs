//! The thread that passes on what workers write.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
#[cfg(feature = "mpi")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::sink::Sink;
use super::source::{Source, Turn};
use super::streams::{Ends, Streams};
use crate::pool::logs;
use crate::pool::setup::Setup;
use crate::shm::Lane;
use crate::sys::{Notify, Standard, at_exit, forks, spawn_quiet, wait_for_numbers};

/// How long the end of a pool or of the program waits while nobody reads what is passed on.
const STALL: Duration = Duration::from_secs(2);
/// How long the thread may take to see that it shall end.
const SOON: Duration = Duration::from_millis(100);
/// What the thread does not wait for when the system refuses to wait.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of ended workers that are kept while they cannot be passed on.
const MOST_LEFT: usize = 32 << 20;

/// Passes on what the workers of a pool write.
///
/// Most never write anything. So its thread is started when one has, and until then the supervisor, which
/// waits anyway, waits for that as well.
#[derive(Debug, Default)]
pub(in crate::pool) struct Relay {
    running: Mutex<Option<Arc<Inner>>>,
    /// Nothing comes any more.
    #[cfg(feature = "mpi")]
    over: AtomicBool,
}

impl Relay {
    /// Makes the streams of a worker that is about to be started.
    pub(in crate::pool) fn open(&self, setup: &Setup, lane: &Lane) -> io::Result<Ends> {
        let ends = Ends::open(setup, lane)?;
        let mut running = self.running();
        if running.is_none() && !ends.is_deaf() {
            *running = Some(Inner::new(false)?);
        }
        Ok(ends)
    }

    /// Where what tasks log is passed on; on a node, with `away`, to rank 0. None if there is no way to do so, or the
    /// pool is over.
    #[cfg(feature = "mpi")]
    pub(in crate::pool) fn hub(&self, away: bool) -> Option<Arc<logs::Hub>> {
        let mut running = self.running();
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        if running.is_none() {
            *running = Some(Inner::new(away).ok()?);
        }
        running.as_ref().map(|inner| Arc::clone(&inner.logs))
    }

    /// The worker was started; none if nothing that it writes comes here.
    pub(in crate::pool) fn begin(&self, ends: Ends, pid: u32, lane: &Lane) -> Option<Arc<Streams>> {
        let running = self.running();
        let inner = running.as_ref().filter(|_| !ends.is_deaf())?;
        Some(Arc::new(ends.into_streams(inner, pid, lane)))
    }

    /// The streams that nobody reads from but the supervisor, with their pipes, and how long it may wait for
    /// them at most.
    pub(in crate::pool) fn unread(&self) -> (Vec<Unread>, Option<Duration>) {
        match &*self.running() {
            Some(inner) => inner.unread(),
            None => (Vec::new(), None),
        }
    }

    /// There is something in such a pipe, or nobody has its other end any more.
    pub(in crate::pool) fn look(&self, unread: &Unread) {
        let inner = self.running().clone();
        let found = || match &unread.source {
            Stream::Standard(source) => source.look(),
            Stream::Logs(source) => source.look(),
        };
        if let Some(inner) = inner.filter(|_| found()) {
            inner.summon();
        }
    }

    /// Waits until what tasks have logged was heard, up to the thing with this number, as far as that goes on. False
    /// if the time for that was over before.
    pub(in crate::pool) fn wait_for_logs(&self, number: u64, patience: Patience) -> bool {
        if number == 0 {
            return true;
        }
        let running = self.running().clone();
        running.is_none_or(|inner| inner.logs.wait(number, patience))
    }

    /// Has the thread end when all workers have ended and what is left was passed on, and waits for that
    /// if they are `gone`.
    ///
    /// If it cannot go on because nobody reads this program's stream, the rest is dropped.
    pub(in crate::pool) fn close(&self, gone: bool) {
        let taken = {
            let mut running = self.running();
            #[cfg(feature = "mpi")]
            self.over.store(true, Ordering::Relaxed);
            running.take()
        };
        let Some(inner) = taken else {
            return;
        };
        let (started, idle) = {
            let mut control = inner.control();
            control.closing = true;
            let idle = control.sources.is_empty() && control.logs.is_empty();
            (control.started, idle)
        };
        if started || !idle {
            inner.summon();
        }
        inner.logs.close(gone);
        if !gone || !inner.control().started {
            return;
        }
        if !inner.wait_until(STALL, |control| control.over) {
            inner.control().abandoned = true;
            inner.wake();
            if !inner.wait_until(SOON, |control| control.over) {
                // It is in the middle of writing. It ends when somebody reads, or with the program.
                return;
            }
        }
        let thread = inner.control().thread.take();
        // A panic there is a fault of ours that was reported by its own message.
        let _ = thread.map(JoinHandle::join);
    }

    fn running(&self) -> MutexGuard<'_, Option<Arc<Inner>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that the supervisor waits for.
#[derive(Debug)]
pub(in crate::pool) struct Unread {
    source: Stream,
    pub(in crate::pool) pipe: Arc<OwnedFd>,
}

#[derive(Debug)]
enum Stream {
    Standard(Arc<Source>),
    Logs(Arc<logs::Source>),
}

/// What the thread shares with others.
#[derive(Debug)]
pub(super) struct Inner {
    /// Wakes the thread.
    notify: Arc<Notify>,
    /// Where what tasks log is passed on, which the thread only reads.
    logs: Arc<logs::Hub>,
    control: Mutex<Control>,
    /// Tells others of progress.
    told: Condvar,
    /// How often the process had been forked.
    generation: u32,
}

#[derive(Debug, Default)]
struct Control {
    started: bool,
    thread: Option<JoinHandle<()>>,
    sources: Vec<Arc<Source>>,
    logs: Vec<Arc<logs::Source>>,
    /// Bytes of sources that have ended, and that the thread has not taken.
    left: usize,
    /// All workers are gone.
    closing: bool,
    /// What cannot be passed on is dropped.
    abandoned: bool,
    /// The thread has nothing more to do.
    over: bool,
    /// How often all that was written was to be passed on, and was.
    wanted: u64,
    flushed: u64,
    /// Bytes that were passed on.
    written: u64,
}

impl Inner {
    fn new(away: bool) -> io::Result<Arc<Self>> {
        let notify = Arc::new(Notify::new()?);
        let inner = Arc::new(Self {
            logs: logs::Hub::new(&notify, away),
            notify,
            control: Mutex::default(),
            told: Condvar::new(),
            generation: forks(),
        });
        flush_at_exit(&inner);
        Ok(inner)
    }

    /// Nobody waits for anything while he has the lock.
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread look at everything, and starts it if it does not run; false if there is none to be
    /// had now.
    pub(super) fn summon(self: &Arc<Self>) -> bool {
        let mut control = self.control();
        if !control.started {
            let own = Arc::clone(self);
            let thread = spawn_quiet("parproc-output", move || {
                let _ = catch_unwind(AssertUnwindSafe(|| own.run()));
                own.control().over = true;
                own.told.notify_all();
            });
            control.thread = thread.ok();
            control.started = control.thread.is_some();
            return control.started;
        }
        drop(control);
        self.notify.notify();
        true
    }

    /// Has the thread look at everything, if it runs.
    fn wake(&self) {
        if self.control().started {
            self.notify.notify();
        }
    }

    fn unread(self: &Arc<Self>) -> (Vec<Unread>, Option<Duration>) {
        let (sources, logs) = {
            let control = self.control();
            if control.started {
                return (Vec::new(), None);
            }
            (control.sources.clone(), control.logs.clone())
        };
        // There was no thread to be had when it was written.
        if sources.iter().any(|source| source.has_rest()) {
            let wait = (!self.summon()).then_some(PAUSE);
            return (Vec::new(), wait);
        }
        if self.logs.is_full().is_some() {
            let wait = (!self.summon()).then_some(PAUSE);
            return (Vec::new(), wait);
        }
        let unread = sources.into_iter().filter_map(|source| {
            let pipe = source.pipe()?;
            let source = Stream::Standard(source);
            Some(Unread { source, pipe })
        });
        let logs = logs.into_iter().filter_map(|source| {
            let pipe = source.pipe()?;
            let source = Stream::Logs(source);
            Some(Unread { source, pipe })
        });
        (unread.chain(logs).collect(), None)
    }

    pub(super) fn add(&self, source: Arc<Source>) {
        self.control().sources.push(source);
        self.wake();
    }

    /// Has what tasks of a new worker log read from its pipe.
    pub(super) fn hear(&self, pid: u32, lane: &Lane, pipe: OwnedFd) -> Arc<logs::Source> {
        let source = logs::Source::new(&self.logs, pid, lane, pipe);
        self.control().logs.push(Arc::clone(&source));
        self.wake();
        source
    }

    /// The worker of such a source has ended.
    pub(super) fn end_logs(&self, source: &Arc<logs::Source>) {
        if source.end() {
            self.control().logs.retain(|one| !Arc::ptr_eq(one, source));
            self.wake();
        }
    }

    /// The worker of a source has ended.
    pub(super) fn end(self: &Arc<Self>, source: &Source) {
        let mut control = self.control();
        let Some((waiting, at_end)) = source.end() else {
            return;
        };
        if waiting == 0 {
            control.sources.retain(|one| !ptr::eq(&**one, source));
            drop(control);
            // At the end of the pipe the thread does not wait for it.
            if !at_end {
                self.wake();
            }
            return;
        }
        if control.left + waiting > MOST_LEFT {
            source.forget_rest();
        } else {
            control.left += waiting;
        }
        drop(control);
        self.summon();
    }

    /// Waits for `done`, but not longer than `limit` without progress; says whether it is.
    fn wait_until(&self, limit: Duration, done: impl Fn(&Control) -> bool) -> bool {
        let mut control = self.control();
        let mut written = control.written;
        let mut end = Instant::now() + limit;
        while !done(&control) {
            let now = Instant::now();
            if control.written != written {
                written = control.written;
                end = now + limit;
            }
            if end <= now {
                return false;
            }
            let waited = self.told.wait_timeout(control, end - now);
            control = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Passes on what was written until now, at the end of the program.
    fn flush(self: &Arc<Self>) {
        if self.generation == forks() {
            let logs = self.control().logs.clone();
            for source in logs {
                source.look();
            }
            self.logs.flush();
            if !self.control().started {
                let sources = self.control().sources.clone();
                let found = sources.iter().filter(|source| source.look()).count();
                if found == 0 {
                    return;
                }
            }
            let mut control = self.control();
            control.wanted += 1;
            let number = control.wanted;
            drop(control);
            if !self.summon() {
                return;
            }
            let done = |control: &Control| control.flushed >= number || control.over;
            if !self.wait_until(STALL, done) {
                // Who ends its pool next need not wait again.
                self.control().abandoned = true;
                self.wake();
            }
        }
    }

    /// The thread's life.
    fn run(&self) {
        let mut sinks = Standard::BOTH.map(Sink::new);
        let mut buffer = Vec::new();
        let mut drained = 0;
        for round in 0.. {
            let (mut sources, logs, wanted, flushed, abandoned) = {
                let control = self.control();
                (
                    control.sources.clone(),
                    control.logs.clone(),
                    control.wanted,
                    control.flushed,
                    control.abandoned,
                )
            };
            if abandoned {
                sinks.iter_mut().for_each(Sink::discard);
            }
            // What comes later would make a flush endless.
            let flushing = wanted > flushed;
            if flushing && drained < wanted {
                sources.iter().for_each(|source| source.drain());
                drained = wanted;
            }
            if !sources.is_empty() {
                // When there is not room for all, each one is the first to have some.
                let first = round % sources.len();
                sources.rotate_left(first);
            }
            let mut pipes = Vec::new();
            let mut over = Vec::new();
            let mut blocked = [false; 2];
            for source in sources {
                let sink = &mut sinks[source.standard as usize];
                if sink.is_full() && source.passes_on {
                    blocked[source.standard as usize] = true;
                    continue;
                }
                let before = sink.waiting.len();
                match source.turn(&mut sink.waiting) {
                    Turn::Read(pipe) if !flushing => pipes.push((source, pipe)),
                    Turn::Read(_) | Turn::Wait => {}
                    Turn::Over => over.push((source, sink.waiting.len() - before)),
                }
            }
            let written: usize = sinks.iter_mut().map(Sink::pass_on).sum();
            let empty = sinks.iter().all(Sink::is_empty);
            let done = empty && blocked == [false; 2];
            if self.note(&over, written, done.then_some(wanted)) {
                return;
            }
            // They hold the memory of workers that are gone.
            drop(over);
            let room = |sink: &Sink| blocked[sink.standard as usize] && !sink.is_full();
            if sinks.iter().any(room) || done && flushing {
                continue;
            }
            // Workers wait while too much waits to be heard.
            let limit = self.logs.is_full();
            let logs = if limit.is_some() {
                Vec::new()
            } else {
                let pipe = |source: Arc<logs::Source>| Some((source.pipe()?.as_raw_fd(), source));
                logs.into_iter().filter_map(pipe).collect()
            };
            self.wait(&pipes, &logs, limit, &mut sinks, &mut buffer);
        }
    }

    /// Takes note of what was done; says whether that was all. All that was there when flush number
    /// `flushed` was asked for is written, if there is one.
    fn note(&self, over: &[(Arc<Source>, usize)], written: usize, flushed: Option<u64>) -> bool {
        let mut control = self.control();
        if !over.is_empty() {
            let is_over = |source: &Arc<Source>| over.iter().any(|one| Arc::ptr_eq(&one.0, source));
            control.sources.retain(|source| !is_over(source));
            control.left -= over.iter().map(|(_, taken)| taken).sum::<usize>();
        }
        control.written += written as u64;
        if let Some(flushed) = flushed.filter(|flushed| *flushed > control.flushed) {
            control.flushed = flushed;
        }
        self.told.notify_all();
        let over = control.sources.is_empty() && control.logs.is_empty();
        let done = over && flushed.is_some() || control.abandoned;
        control.closing && done
    }

    /// Waits for something to read, to write or to look at, but not longer than `limit`, and reads once from each
    /// pipe.
    fn wait(
        &self,
        pipes: &[(Arc<Source>, RawFd)],
        logs: &[(RawFd, Arc<logs::Source>)],
        limit: Option<Duration>,
        sinks: &mut [Sink; 2],
        buffer: &mut Vec<u8>,
    ) {
        let readers: Vec<_> = std::iter::once(self.notify.as_fd().as_raw_fd())
            .chain(pipes.iter().map(|(_, pipe)| *pipe))
            .chain(logs.iter().map(|(pipe, _)| *pipe))
            .collect();
        let waiting = sinks.iter().filter(|sink| !sink.is_empty());
        let writers: Vec<_> = waiting
            .map(|sink| sink.standard.as_fd().as_raw_fd())
            .collect();
        let Ok(ready) = wait_for_numbers(&readers, &writers, limit) else {
            // For lack of memory.
            thread::sleep(PAUSE);
            return;
        };
        self.notify.clear();
        for ((source, _), _) in pipes.iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            let sink = &mut sinks[source.standard as usize];
            if !(sink.is_full() && source.passes_on) {
                source.read(buffer, &mut sink.waiting);
            }
        }
        let logs = logs.iter().zip(&ready[1 + pipes.len()..]);
        for ((_, source), _) in logs.filter(|(_, ready)| **ready) {
            source.read(buffer);
        }
    }
}

/// When the program ends, workers of pools that live on have written something as well.
fn flush_at_exit(inner: &Arc<Inner>) {
    static ALL: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());
    static REGISTERED: Once = Once::new();
    extern "C" fn flush_all() {
        let all = std::mem::take(&mut *ALL.lock().unwrap_or_else(PoisonError::into_inner));
        for inner in all.iter().filter_map(Weak::upgrade) {
            inner.flush();
        }
    }
    REGISTERED.call_once(|| at_exit(flush_all));
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|inner| inner.strong_count() > 0);
    all.push(Arc::downgrade(inner));
}

//! The life of a worker: it says that it is ready, runs chunks, and ends when the parent says so.

#![expect(unsafe_code, reason = "inherited descriptors are taken over by number")]

use std::cell::RefCell;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use rustix::io::FdFlags;

use super::attach::Attach;
use super::carriage::Carriage;
use super::clock::ItemClock;
use super::course::Course;
use super::link::{Link, Shared};
use super::local::drop_all;
use super::logs::Logs;
use super::orders::Orders;
use super::output::Outputs;
use super::panic::{Recording, leave_reports_in, panics};
use super::run::Outcome;
use crate::family;
use crate::object::take_files;
use crate::registry::{FunctionId, Table, table};
use crate::shm::{ParentWords, Placed, READY, REFUSED, ResultRing, WorkerWords};
use crate::sys::{
    Notify, forks_watched, install_worker_signals, name_after_program, name_process, now_nanos,
    reap_beyond, watch_forks,
};
use crate::task::{self, Batch};
use crate::wire::{Arguments, FrameHeader, Items, Sink, Stamps, Status, Track, Window};

/// Larger chunks are not gathered before they are run, but read as they come.
const GATHER: u64 = 256 << 10;
/// Processes that tasks left behind and that have ended are looked for as often, in nanoseconds, and
/// so many are kept: tasks may still wait for their own.
const REAP_EVERY: u64 = 1_000_000_000;
const ENDED_KEPT: usize = 128;
/// Serves until the parent closes; then the process ends as after `main`.
pub(super) fn serve(attach: &Attach) -> ! {
    // When the start fails the parent was told, or sees that the worker is gone.
    let code = match start(attach) {
        Ok((link, table, init, logs)) => {
            let link = RefCell::new(link);
            let code = Server::new(&link, table, logs).run(init);
            drop_all();
            code
        }
        Err(_) => 1,
    };
    std::process::exit(code)
}

/// The third is for telling the supervisor that the init function is done, if there is one.
fn start(attach: &Attach) -> io::Result<(Link, &'static Table, Option<Notify>, Logs)> {
    let notify = Notify::from_fd(inherit(attach.notify)?);
    let carriage = Carriage::new(inherit(attach.socket)?);
    let link = Link::new(inherit(attach.segment)?, inherit(attach.pool)?, carriage)?;
    family::join(inherit(attach.family)?, attach.member);
    let words = link.lane.worker.clone();
    let (prepared, ready) = match prepare(&link, attach) {
        Ok(prepared) => (Ok(prepared), READY),
        Err(error) => {
            link.lane.last_words().put(error.to_string().as_bytes());
            (Err(error), REFUSED)
        }
    };
    words.ready_at.store(now_nanos(), Ordering::Relaxed);
    words.ready.store(ready, Ordering::Release);
    let quiet = prepared.as_ref().is_ok_and(|(_, orders)| orders.quiet);
    if !quiet {
        notify.notify();
    }
    let (table, orders) = prepared?;
    let pipe = orders.logs.map(inherit).transpose()?;
    let logs = Logs::open(pipe, words);
    Ok((link, table, orders.init.then_some(notify), logs))
}

fn prepare(link: &Link, attach: &Attach) -> io::Result<(&'static Table, Orders)> {
    let table = table().map_err(|error| io::Error::other(error.to_string()))?;
    let words = &link.lane.worker;
    words
        .fingerprint
        .store(table.fingerprint(), Ordering::Relaxed);
    let expected = link.lane.parent.fingerprint.load(Ordering::Acquire);
    if table.fingerprint() != expected {
        return Err(io::Error::other(format!(
            "the worker's table of {} functions is not its parent's (fingerprint {:#x}, wanted \
             {expected:#x}): it runs different code",
            table.len(),
            table.fingerprint(),
        )));
    }
    watch_forks();
    take_files();
    match &attach.name {
        Some(name) => name_process(name),
        None => name_after_program(),
    }
    install_worker_signals(link.lane.fault_record())?;
    leave_reports_in(link.lane.last_words());
    let orders = Orders::from_bytes(&link.lane.orders().get().unwrap_or_default())?;
    orders.carry_out()?;
    Ok((table, orders))
}

/// Takes over a descriptor, and keeps it from the programs that tasks start.
pub(super) fn inherit(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the parent passed this number for this use only, and it is taken over once.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

#[derive(Debug)]
struct Server<'a> {
    link: &'a RefCell<Link>,
    table: &'static Table,
    /// Items begun since the start.
    started: u64,
    /// The gathered chunk, and the result being encoded; used again and again.
    chunk: Vec<u8>,
    scratch: Vec<u8>,
    clock: ItemClock,
    stamps: Rc<Stamps>,
    /// Of the last item.
    outcome: Outcome,
    /// When it looked for ended processes last.
    reaped: u64,
    outputs: Outputs,
    words: Placed<WorkerWords>,
    parent: Placed<ParentWords>,
    results: ResultRing,
    logs: Logs,
}

impl<'a> Server<'a> {
    fn new(link: &'a RefCell<Link>, table: &'static Table, logs: Logs) -> Self {
        let lane = &link.borrow().lane;
        task::serve(&lane.worker.leak().started.0);
        Self {
            link,
            table,
            started: 0,
            chunk: Vec::new(),
            scratch: Vec::new(),
            clock: ItemClock::default(),
            stamps: Rc::new(Stamps::new(now_nanos)),
            outcome: Outcome::Returned,
            reaped: 0,
            outputs: Outputs::new(lane),
            words: lane.worker.clone(),
            parent: lane.parent.clone(),
            results: lane.results(),
            logs,
        }
    }

    /// Runs chunks until there are no more; gives the code to exit with.
    fn run(&mut self, mut init: Option<Notify>) -> i32 {
        let _recording = Recording::start();
        loop {
            let next = self.link.borrow_mut().next_chunk();
            let Some(header) = next else {
                return self.outcome.exit_code();
            };
            self.logs
                .chunk_begins(&header, self.started, init.is_some());
            self.run_chunk(header);
            if let Some(supervisor) = init.take() {
                supervisor.notify();
            }
        }
    }

    fn run_chunk(&mut self, header: FrameHeader) {
        let begin = now_nanos();
        self.words.chunk_began.store(begin, Ordering::Relaxed);
        task::begin_chunk(&Batch::from(&header), self.started);
        if header.carries {
            let unneeded = self.link.borrow_mut().take_in();
            drop(unneeded);
        }
        if header.bytes <= GATHER {
            let mut chunk = std::mem::take(&mut self.chunk);
            self.link
                .borrow_mut()
                .read_whole(header.bytes as usize, &mut chunk);
            self.run_items(
                header,
                begin,
                Arguments::from_bytes(&chunk, header.width.into()),
            );
            self.chunk = chunk;
        } else {
            let mut stream = Shared(self.link);
            self.run_items(
                header,
                begin,
                Arguments::from_stream(&mut stream, header.width.into()),
            );
        }
        if header.carries {
            put_down(self.link, header.number);
        }
        task::end_chunk();
        self.logs.chunk_ends();
        let end = now_nanos();
        self.outputs.chunk_ends(end);
        let nanos = end.saturating_sub(begin);
        if end.saturating_sub(self.reaped) > REAP_EVERY {
            self.reaped = end;
            reap_beyond(ENDED_KEPT);
        }
        let mut link = self.link.borrow_mut();
        link.lane.worker.began.store(0, Ordering::Relaxed);
        self.words.chunk_began.store(0, Ordering::Relaxed);
        link.hold_back(false);
        link.record(Status::End, &nanos.to_ne_bytes());
        link.tell_parent();
    }

    fn run_items<'b>(&mut self, header: FrameHeader, begin: u64, mut arguments: Arguments<'b>)
    where
        'a: 'b,
    {
        // The parent has the same table, as the fingerprint said.
        let Some(function) = self.table.get(FunctionId(header.function)) else {
            std::process::abort();
        };
        if header.carries && header.count == 1 {
            // The task has what it names from then on, and can drop it.
            let link = self.link;
            arguments.on_taken(move || put_down(link, header.number));
        }
        if header.timed {
            arguments.stamp(Rc::clone(&self.stamps));
        }
        let (forks, original) = forks_watched();
        let track = Track {
            started: &self.words.started.0,
            before: self.started,
            cut: &self.parent.cut.0,
            number: header.number,
            announced: header.divisible || header.told,
            panics: panics(),
            stamps: header.timed.then_some(&*self.stamps),
            forks,
            original,
        };
        let (ring, tail) = self.results.cells();
        let mut course = Course::new(
            self.link,
            &self.outputs,
            header,
            &mut self.clock,
            &self.stamps,
            begin,
        );
        let mut items = Items::new(
            arguments,
            function.arguments,
            track,
            Some(Window::new(ring, tail)),
            &mut course,
            &mut self.scratch,
        );
        (function.call)(&mut items);
        // If it was cut, or the rest was taken back.
        let begun = items.begun();
        items.skip(header.count - begun);
        self.started += u64::from(begun);
        course.ends(begun);
        self.outcome = course.outcome;
    }
}

/// Lets go of what came for a chunk, while nothing of the link is in use: what goes may be the user's.
fn put_down(link: &RefCell<Link>, chunk: u64) {
    let unneeded = link.borrow_mut().carriage.put_down(chunk);
    drop(unneeded);
}

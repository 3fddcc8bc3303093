//! The items of a chunk on their way through a function: the loop that calls it.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::{Arguments, Reply, Sink, Window};
use crate::error::Failure;

/// Who has the items of a chunk run, and gets what comes of them.
pub(crate) trait Host: Sink {
    /// `begun` items of the chunk have begun and are over: says how many may begin before this is asked
    /// again, none if the chunk is to end. `window` can be opened for their results, and is closed.
    /// That is said before with [`wrote`](Self::wrote).
    fn look(&mut self, begun: u32, window: &Window<'_>) -> u32;

    /// An item is to begin, the one with this number since the beginning, counted from 1; false if it must not,
    /// and the chunk is to end. Not asked unless the [`Track`] says so.
    fn begin(&mut self, _number: u64) -> bool {
        true
    }

    /// The item gave no value, or none that passes.
    fn failed(&mut self, failure: Failure);

    /// The item panicked.
    fn panicked(&mut self, payload: Box<dyn Any + Send>);

    /// So many bytes of records were written through the window since it was opened, and it is closed.
    fn wrote(&mut self, _bytes: usize) {}

    /// An item is over, and there was a panic some time.
    fn calm(&mut self) {}
}

/// When parts of an item were over, for those who want to know.
#[derive(Debug)]
pub(crate) struct Stamps {
    clock: fn() -> u64,
    decoded: Cell<u64>,
    returned: Cell<u64>,
}

impl Stamps {
    /// By a clock in nanoseconds.
    pub(crate) fn new(clock: fn() -> u64) -> Self {
        Self {
            clock,
            decoded: Cell::new(0),
            returned: Cell::new(0),
        }
    }

    /// An argument is there.
    pub(super) fn decoded(&self) {
        self.decoded.set((self.clock)());
    }

    /// The function has returned.
    pub(super) fn returned(&self) {
        self.returned.set((self.clock)());
    }

    /// When the last argument was there and when the function returned; 0 where nobody said so, since that
    /// takes next to no time.
    pub(crate) fn take(&self) -> (u64, u64) {
        (self.decoded.take(), self.returned.take())
    }
}

/// What is looked at and told with each item, and too often for a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Track<'a> {
    /// Where the number of items is stored that began; `before` of them were in earlier chunks.
    pub(crate) started: &'a AtomicU64,
    pub(crate) before: u64,
    /// Holds `number` if the chunk is to end early.
    pub(crate) cut: &'a AtomicU64,
    pub(crate) number: u64,
    /// The host begins each item itself.
    pub(crate) announced: bool,
    /// True once there was a panic.
    pub(crate) panics: &'a AtomicBool,
    /// Told when parts of an item are over, if that is wanted.
    pub(crate) stamps: Option<&'a Stamps>,
    /// Holds another number than `original` in a process that a task forked off.
    pub(crate) forks: &'a AtomicU32,
    pub(crate) original: u32,
}

/// For items that nobody keeps track of from outside.
#[derive(Debug, Default)]
pub(crate) struct Untracked {
    started: AtomicU64,
    cut: AtomicU64,
    forks: AtomicU32,
    panics: AtomicBool,
}

impl Untracked {
    pub(crate) fn track(&self) -> Track<'_> {
        Track {
            started: &self.started,
            before: 0,
            cut: &self.cut,
            number: 1,
            announced: false,
            panics: &self.panics,
            stamps: None,
            forks: &self.forks,
            original: 0,
        }
    }
}

/// The items of a chunk, for the function to be called with each.
pub struct Items<'a, 'b> {
    arguments: Arguments<'b>,
    /// How many arguments an item has.
    each: usize,
    begun: u32,
    /// How many items may begin before the host is asked.
    pause: u32,
    track: Track<'a>,
    window: Window<'a>,
    host: &'a mut dyn Host,
    scratch: &'a mut Vec<u8>,
    /// The item that began last has no record, and never gets one from its reply.
    unanswered: bool,
}

impl fmt::Debug for Items<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl<'a, 'b> Items<'a, 'b> {
    /// Items that have `each` arguments; what becomes of them goes to `host`, which can open the window, if there is one.
    pub(crate) fn new(
        arguments: Arguments<'b>,
        each: usize,
        track: Track<'a>,
        window: Option<Window<'a>>,
        host: &'a mut dyn Host,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        let window = window.unwrap_or_else(|| Window::new(&[], track.started));
        Self {
            arguments,
            each,
            begun: 0,
            pause: 0,
            track,
            window,
            host,
            scratch,
            unanswered: false,
        }
    }

    /// How many began.
    pub(crate) fn begun(&self) -> u32 {
        self.begun
    }

    /// Drops the arguments of `count` items that did not begin.
    pub(crate) fn skip(&mut self, count: u32) {
        self.arguments.skip(count, self.each);
    }

    /// Calls the function with each item in turn: it takes its arguments and puts a result.
    ///
    /// Each item that begins gets one record: what was put, or else why nothing was.
    pub fn each(
        &mut self,
        mut call: impl FnMut(&mut Arguments<'b>, Reply<'_>) -> Result<(), Failure>,
    ) {
        // A panicking task may leave its own state broken, as in a thread; none of ours is touched.
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.run(&mut call))) {
            self.arguments.finish();
            self.window.settle(self.host);
            if std::mem::take(&mut self.unanswered) {
                self.host.panicked(payload);
            } else {
                // The item has its record, and the next one must not get another. The payload is the user's.
                std::mem::forget(payload);
                self.host.calm();
            }
        }
    }

    // Instantiated for each function: what is done with an item besides the call is a few instructions.
    #[inline]
    fn run(&mut self, call: &mut impl FnMut(&mut Arguments<'b>, Reply<'_>) -> Result<(), Failure>) {
        let track = self.track;
        loop {
            if self.begun == self.pause {
                self.window.settle(self.host);
                let more = self.host.look(self.begun, &self.window);
                self.pause += more;
                if more == 0 {
                    return;
                }
            }
            if track.cut.load(Ordering::Relaxed) == track.number {
                self.window.settle(self.host);
                return;
            }
            let number = track.before + u64::from(self.begun) + 1;
            if !track.announced {
                track.started.store(number, Ordering::Release);
            } else if !self.host.begin(number) {
                self.window.settle(self.host);
                return;
            }
            self.begun += 1;
            self.arguments.begin(self.each);
            let reply = Reply::new(
                &self.window,
                track,
                self.host,
                self.scratch,
                &mut self.unanswered,
            );
            if let Err(failure) = call(&mut self.arguments, reply)
                && std::mem::take(&mut self.unanswered)
            {
                self.arguments.finish();
                self.window.settle(self.host);
                self.host.failed(failure);
            }
            if track.panics.load(Ordering::Relaxed) {
                self.host.calm();
            }
        }
    }
}

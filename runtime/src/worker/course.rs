//! The course of a chunk in a worker: what is done before its items, and where their results go.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clock::ItemClock;
use super::link::Link;
use super::output::Outputs;
use super::panic::forget;
use super::run::{Outcome, record_failure, record_panic};
use crate::error::Failure;
use crate::object::Object;
use crate::shm::CLAIMS;
use crate::sys::{end_if_copy, now_nanos};
use crate::wire::{FrameHeader, Host, Note, Sink, Stamps, Status, Times, Window};

/// From so many items on a chunk counts as one of tiny items: the clock is read now and then only.
const TINY: u32 = 256;
/// How often the clock is read then.
const TINY_CLOCK: u32 = 64;
/// Results of slow items are announced one by one, but not more often than this.
const TELL_EVERY: u64 = 2_000_000;

#[derive(Debug)]
pub(super) struct Course<'a> {
    link: &'a RefCell<Link>,
    outputs: &'a Outputs,
    header: FrameHeader,
    clock: &'a mut ItemClock,
    /// When the chunk began, in nanoseconds.
    begin: u64,
    /// When the parent was told of results last.
    told: u64,
    /// The item before which the clock is looked at next, and how many it was not looked at for then.
    next_look: u32,
    passed: u32,
    /// Where the row of results begins, as long as they are one.
    row: Option<u64>,
    /// Tell when each item ran, if that is wanted.
    stamps: Option<&'a Stamps>,
    /// When the item began that began last.
    began: u64,
    /// Of the last item.
    pub(super) outcome: Outcome,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        link: &'a RefCell<Link>,
        outputs: &'a Outputs,
        header: FrameHeader,
        clock: &'a mut ItemClock,
        stamps: &'a Stamps,
        begin: u64,
    ) -> Self {
        let row = (header.row > 0).then(|| {
            let link = link.borrow();
            let row = &link.lane.worker.rows[header.number as usize % CLAIMS];
            // Its line is the parent's too, and most often says so already.
            if row.load(Ordering::Relaxed) != u64::MAX {
                row.store(u64::MAX, Ordering::Relaxed);
            }
            link.position()
        });
        let mut course = Self {
            row,
            link,
            outputs,
            header,
            clock,
            begin,
            told: begin,
            next_look: 0,
            passed: 0,
            stamps: header.timed.then_some(stamps),
            began: begin,
            outcome: Outcome::Returned,
        };
        if course.wants_records() {
            course.leave_row();
        }
        course
    }

    /// True if something is said with each record, so that all of them are put here.
    fn wants_records(&self) -> bool {
        self.stamps.is_some() || self.outputs.is_capturing()
    }

    /// Says when the item ran whose record was written, from `recorded` on.
    #[cold]
    fn tell_times(&self, stamps: &Stamps, recorded: u64, link: &mut Link) {
        let (decoded, returned) = stamps.take();
        let decoded = decoded.max(self.began);
        let returned = if returned == 0 { recorded } else { returned };
        let times = Times {
            began: self.began,
            decoding: decoded - self.began,
            running: returned.saturating_sub(decoded),
            encoding: now_nanos().saturating_sub(returned),
        };
        link.record(Status::Note, &Note::Ran(times).to_bytes());
    }

    /// The chunk ends after so many items.
    pub(super) fn ends(&mut self, begun: u32) {
        if begun < self.header.count {
            self.leave_row();
        }
    }

    /// What comes next is no part of the row.
    fn leave_row(&mut self) {
        if let Some(start) = self.row.take() {
            let link = self.link.borrow();
            let row = &link.lane.worker.rows[self.header.number as usize % CLAIMS];
            let items = (link.position() - start) / u64::from(self.header.row);
            row.store(items, Ordering::Relaxed);
        }
    }

    fn look_at_clock(&mut self, item: u32, link: &mut Link) {
        let now = if item == 0 { self.begin } else { now_nanos() };
        let noisy = self.outputs.item_begins(now, self.passed);
        let each = self.header.clocked || self.stamps.is_some();
        let tiny = self.header.count >= TINY && !each;
        self.passed = if noisy || !tiny { 1 } else { TINY_CLOCK };
        self.next_look = item + self.passed;
        self.clock.begin(now);
        self.began = now;
        let words = &link.lane.worker;
        words.began.store(now, Ordering::Relaxed);
        words.cpu.store(self.clock.cpu, Ordering::Relaxed);
        if now.saturating_sub(self.told) > TELL_EVERY {
            self.told = now;
            link.tell_parent();
        }
    }
}

impl Host for Course<'_> {
    fn look(&mut self, begun: u32, window: &Window<'_>) -> u32 {
        let Some(left) = self
            .header
            .count
            .checked_sub(begun)
            .filter(|left| *left > 0)
        else {
            return 0;
        };
        let link = self.link;
        let mut link = link.borrow_mut();
        if begun == self.next_look {
            self.look_at_clock(begun, &mut link);
        }
        self.outcome = Outcome::Returned;
        // The last record is published together with the end of the chunk: who has the result of a task
        // finds its worker free.
        let last = left == 1;
        link.hold_back(last);
        if !last && !self.wants_records() {
            link.open(window, self.row.is_some());
        }
        if last {
            1
        } else {
            (self.next_look - begun).min(left - 1)
        }
    }

    fn begin(&mut self, number: u64) -> bool {
        let mut link = self.link.borrow_mut();
        let begun = link.begin(number, self.header.divisible);
        if begun && self.header.told {
            link.tell_parent();
        }
        begun
    }

    fn failed(&mut self, failure: Failure) {
        self.outcome = Outcome::Failed;
        record_failure(failure, self);
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        self.outcome = Outcome::Panicked;
        let clock = std::mem::take(self.clock);
        record_panic(payload, &clock, self);
        *self.clock = clock;
    }

    fn wrote(&mut self, bytes: usize) {
        self.link.borrow_mut().wrote(bytes);
    }

    fn calm(&mut self) {
        forget();
    }
}

/// Records of failures go behind what tells where they wrote, and so all of them if items are captured.
impl Sink for Course<'_> {
    fn record(&mut self, status: Status, bytes: &[u8]) {
        end_if_copy();
        if self.row.is_some() && status == Status::Value {
            return self.link.borrow_mut().number(bytes);
        }
        self.leave_row();
        let mut link = self.link.borrow_mut();
        if status == Status::Value && self.outputs.is_capturing() {
            self.outputs.tell(&mut link, false);
        }
        let recorded = self.stamps.map_or(0, |_| now_nanos());
        link.record(status, bytes);
        if let Some(stamps) = self.stamps {
            self.tell_times(stamps, recorded, &mut link);
        }
    }

    fn carry(&mut self, objects: Vec<Arc<Object>>) -> io::Result<()> {
        self.link.borrow_mut().carry(objects)
    }

    fn fails(&mut self) {
        end_if_copy();
        self.leave_row();
        self.outputs.tell(&mut self.link.borrow_mut(), true);
    }
}

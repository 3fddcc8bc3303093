//! Taking messages out of the ring, by who holds the receive lock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::put::{HAS_OBJECTS, units_of};
use super::region::{Region, corrupt, entry};
use super::words::{Mark, REGIONS, UNIT, Words};
use crate::object::Object;
use crate::sys::Segment;

/// What one process knows as a receiver; everything in it can be found out again.
#[derive(Debug, Default)]
pub(super) struct Taker {
    region: Option<Region>,
    /// The head that was stored last here: while it stands, nobody else has taken anything.
    stored: Option<Mark>,
    /// The tail as it was when it was last looked at, and how many regions there were.
    tail: Mark,
    regions: u32,
    /// Objects that were taken from the socket for a message whose others found no room here.
    pub(super) partial: Option<(u64, Vec<Arc<Object>>)>,
}

/// A message that is first in line.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    /// Bytes of the message.
    pub(super) len: usize,
    /// Its first word says which objects in the socket are its own.
    pub(super) has_objects: bool,
    position: u64,
    /// The mark behind it.
    next: Mark,
}

impl Taker {
    /// The message that is first in line, if there is one.
    pub(super) fn first(&mut self, words: &Words, segment: &Segment) -> io::Result<Option<First>> {
        let head = Mark::from_word(words.taken.0.head.load(Ordering::Relaxed));
        if self.stored != Some(head) || self.tail == head {
            self.tail = Mark::from_word(words.sent.0.tail.load(Ordering::Acquire));
            self.regions = words.sent.0.regions.load(Ordering::Acquire);
            self.stored = Some(head);
            if self.tail == head {
                return Ok(None);
            }
        }
        let end = self.enter(words, segment, head)?;
        let Some(region) = &self.region else {
            return Err(corrupt());
        };
        if end == 0 || end > region.units() {
            return Err(corrupt());
        }
        let position = region.position(head.unit);
        let mut header = [0; UNIT];
        region.bytes().read(position, &mut header);
        let header = u64::from_ne_bytes(header);
        let len = header & !HAS_OBJECTS;
        if len / UNIT as u64 >= end {
            return Err(corrupt());
        }
        let units = units_of(len as usize);
        let has_objects = header & HAS_OBJECTS != 0;
        if units > end || (has_objects && len < UNIT as u64) {
            return Err(corrupt());
        }
        Ok(Some(First {
            len: len as usize,
            has_objects,
            position: position + UNIT as u64,
            next: head.behind(1, units),
        }))
    }

    /// Goes to the region in which `head` is, and says how many units there are to read in it.
    fn enter(&mut self, words: &Words, segment: &Segment, head: Mark) -> io::Result<u64> {
        // There are no more to go through.
        for _ in 0..REGIONS {
            let number = words.taken.0.region.load(Ordering::Relaxed);
            if self.region.as_ref().map(|region| region.number) != Some(number) {
                self.region = None;
                self.region = Some(Region::open(words, segment, number)?);
            }
            let next = number.wrapping_add(1);
            if next == self.regions {
                return Ok(self.tail.units_since(head.unit));
            }
            let base = entry(words, next).base.load(Ordering::Relaxed);
            let left = Mark {
                count: 0,
                unit: base,
            }
            .units_since(head.unit);
            if left > 0 {
                return Ok(left);
            }
            let new = Region::open(words, segment, next)?;
            if let Some(old) = self.region.replace(new) {
                old.punch(segment);
            }
            words.taken.0.region.store(next, Ordering::Release);
        }
        Err(corrupt())
    }

    /// Copies the bytes of the first message from `start` on to the whole of `out`.
    pub(super) fn read(&self, first: &First, start: usize, out: &mut [u8]) {
        debug_assert!(start + out.len() <= first.len);
        if let Some(region) = &self.region {
            region.bytes().read(first.position + start as u64, out);
        }
    }

    /// Copies the bytes of the first message from `start` on to the end of `out`.
    pub(super) fn append(&self, first: &First, start: usize, out: &mut Vec<u8>) {
        if let Some(region) = &self.region {
            let position = first.position + start as u64;
            region.bytes().append(position, first.len - start, out);
        }
    }

    /// The first message is taken: senders may use its room.
    pub(super) fn advance(&mut self, words: &Words, first: &First) {
        self.stored = Some(first.next);
        words
            .taken
            .0
            .head
            .store(first.next.word(), Ordering::Release);
    }
}

//! The records of a worker: read from its ring, told apart, and made mail for the calls.

use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use super::{InFlight, Link, News, TELL_AFTER, TURN, written};
use crate::event::ItemSpan;
use crate::pool::chunk::{Delivery, Origin};
use crate::pool::events::Said;
use crate::pool::keep::{Failed, How};
use crate::registry::Table;
use crate::shm::{CLAIMS, Corrupt};
use crate::sys::{advise_huge, now_nanos};
use crate::wire::{Header, LONGEST_HEADER, Landing, Note, Status, Times, parse_header};

/// Values from this size on are received into memory of their own.
const LARGE: u64 = 64 << 10;

/// Of the record at the end of a chunk.
const END_BYTES: usize = 9;

#[derive(Debug)]
pub(super) struct Receiving {
    landing: Box<dyn Landing>,
    filled: usize,
}

/// Whole records of the first chunk at the beginning of `pending`, not yet delivered.
#[derive(Debug, Default)]
struct Sorted {
    bytes: usize,
    items: u32,
    /// So many of them failed.
    failed: u32,
    /// They are numbers in a row.
    row: bool,
    /// Where in these bytes other records are, which go no further.
    gaps: Vec<Range<usize>>,
}

impl Link {
    /// Reads what came, into `news`, but not so much that others wait for long; says whether there is more.
    /// `landing` makes room for a large result of a call.
    pub(in crate::pool) fn read(
        &mut self,
        landing: impl FnMut(usize, usize) -> Option<Box<dyn Landing>>,
        spare: &mut Vec<Vec<u8>>,
        news: &mut Vec<News>,
    ) -> Result<bool, Corrupt> {
        self.look_at_objects();
        let before = self.results.position();
        let outcome = self.read_all(landing, spare, news);
        self.tell_spans(news);
        if self.results.position() != before {
            self.tell_of_room();
        }
        outcome
    }

    /// Wakes the worker if it waits for room in the ring.
    fn tell_of_room(&mut self) {
        fence(Ordering::SeqCst);
        if self.lane.worker.sleep.0.wants_room.load(Ordering::Relaxed) != 0 {
            self.worker.ring();
        }
    }

    /// Takes the objects that came for items which the worker has.
    fn look_at_objects(&mut self) {
        let left = |one: &InFlight| u64::from(one.chunk.count - one.done);
        let left: u64 = self.in_flight.iter().map(left).sum();
        self.carriage
            .look(self.items_done + 1..=self.items_done + left);
    }

    fn read_all(
        &mut self,
        mut landing: impl FnMut(usize, usize) -> Option<Box<dyn Landing>>,
        spare: &mut Vec<Vec<u8>>,
        news: &mut Vec<News>,
    ) -> Result<bool, Corrupt> {
        let turn = self.results.position() + TURN as u64;
        loop {
            while let Some(receiving) = &mut self.receiving {
                let rest = &mut receiving.landing.bytes_mut()[receiving.filled..];
                let missing = rest.len();
                let part = &mut rest[..missing.min(TELL_AFTER)];
                let wanted = part.len();
                let len = self.results.read(part)?;
                receiving.filled += len;
                if len == missing {
                    self.look_at_objects();
                    self.land(news)?;
                } else if len < wanted {
                    return Ok(false);
                } else if self.results.position() >= turn {
                    return Ok(true);
                } else {
                    self.tell_of_room();
                }
            }
            let available = self.results.available()?;
            if available == 0 {
                return Ok(false);
            }
            let limit = available.min(self.worth_reading()?);
            self.results.append(limit, &mut self.pending)?;
            // What the records name was sent before they were published.
            self.look_at_objects();
            self.sort(&mut landing, spare, news)?;
        }
    }

    /// How many bytes go into `pending` without some that only had to be moved out of it again: those of a
    /// row, of the record at the end of a chunk, and of the header of a large value that comes next.
    fn worth_reading(&mut self) -> Result<usize, Corrupt> {
        let Some(front) = self.in_flight.front() else {
            return Ok(usize::MAX);
        };
        let left = (front.chunk.count - front.done) as usize;
        if left == 0 && !front.timed || front.in_row {
            let bytes = if left == 0 {
                END_BYTES
            } else {
                left * front.chunk.row
            };
            return Ok(bytes.saturating_sub(self.pending.len()).max(1));
        }
        if !self.pending.is_empty() {
            return Ok(usize::MAX);
        }
        let mut header = [0; LONGEST_HEADER];
        let len = self.results.peek(&mut header)?;
        Ok(match parse_header(&header[..len]) {
            Header::Whole(Status::Value, LARGE.., taken) => taken,
            _ => usize::MAX,
        })
    }

    /// Makes mail of the numbers at the beginning of `pending`, as far as the chunk's results are a row of
    /// them. False if more of them is to come.
    fn take_row(&mut self, spare: &mut Vec<Vec<u8>>, news: &mut Vec<News>) -> bool {
        let Some(front) = self.in_flight.front_mut().filter(|front| front.in_row) else {
            return true;
        };
        let width = front.chunk.row;
        if self.pending.is_empty() {
            return false;
        }
        let end = &self.lane.worker.rows[front.number as usize % CLAIMS];
        let end = end.load(Ordering::Relaxed).min(front.chunk.count.into()) as u32;
        let items = (self.pending.len() / width).min(end.saturating_sub(front.done) as usize);
        front.done += items as u32;
        self.items_done += items as u64;
        front.in_row = front.done < end;
        let over = !front.in_row;
        let mut sorted = Sorted {
            bytes: items * width,
            items: items as u32,
            failed: 0,
            row: true,
            gaps: Vec::new(),
        };
        self.mail(&mut sorted, 0, spare, news);
        over
    }

    /// A large value is there.
    fn land(&mut self, news: &mut Vec<News>) -> Result<(), Corrupt> {
        let (Some(receiving), Some(front)) = (self.receiving.take(), self.in_flight.front_mut())
        else {
            return Err(Corrupt);
        };
        let index = front.chunk.first + front.done as usize;
        front.done += 1;
        self.items_done += 1;
        let call = front.chunk.call;
        let bytes = receiving.filled;
        self.last_result = Some(bytes);
        let delivery = Delivery::Large {
            objects: self.carriage.take(self.items_done),
            index,
            origin: Origin {
                pid: Some(self.pid),
                attempt: front.chunk.history.attempt,
            },
            landing: receiving.landing,
        };
        self.tell_written(news);
        news.push(News::Mail {
            call,
            delivery,
            results: 1,
            bytes,
        });
        Ok(())
    }

    /// Tells the records in `pending` apart; what is no whole record stays there.
    fn sort(
        &mut self,
        landing: &mut impl FnMut(usize, usize) -> Option<Box<dyn Landing>>,
        spare: &mut Vec<Vec<u8>>,
        news: &mut Vec<News>,
    ) -> Result<(), Corrupt> {
        let mut sorted = Sorted::default();
        let outcome = self.sort_on(&mut sorted, landing, spare, news);
        // What was whole before something impossible came counts.
        self.mail(&mut sorted, 0, spare, news);
        outcome
    }

    fn sort_on(
        &mut self,
        sorted: &mut Sorted,
        landing: &mut impl FnMut(usize, usize) -> Option<Box<dyn Landing>>,
        spare: &mut Vec<Vec<u8>>,
        news: &mut Vec<News>,
    ) -> Result<(), Corrupt> {
        loop {
            if !self.take_row(spare, news) {
                return Ok(());
            }
            let (status, len, taken) = match parse_header(&self.pending[sorted.bytes..]) {
                Header::Whole(status, len, taken) => (status, len, taken),
                Header::Short => return Ok(()),
                Header::Bad => return Err(Corrupt),
            };
            let value = sorted.bytes + taken;
            let large = len >= LARGE;
            if large && status != Status::Value {
                return Err(Corrupt);
            }
            if !large && ((self.pending.len() - value) as u64) < len {
                return Ok(());
            }
            // What a result names is let go of with it: no other one is delivered along.
            let names = self.carriage.has_for(self.items_done + 1);
            if names && sorted.items > 0 {
                self.mail(sorted, 0, spare, news);
                continue;
            }
            let front = self.in_flight.front_mut().ok_or(Corrupt)?;
            let over = front.done == front.chunk.count;
            let in_place = match status {
                Status::End => over || front.cut,
                Status::Note => true,
                Status::Value | Status::Failed => !over,
            };
            if !in_place {
                return Err(Corrupt);
            }
            if status == Status::Value && !large {
                front.done += 1;
                self.items_done += 1;
                sorted.items += 1;
                sorted.bytes = value + len as usize;
                self.last_result = Some(len as usize);
                if names {
                    self.mail(sorted, 0, spare, news);
                }
            } else if status == Status::End {
                let nanos = &self.pending[value..value + len as usize];
                let nanos = u64::from_ne_bytes(nanos.try_into().map_err(|_| Corrupt)?);
                // It is the worker's word; nothing took longer than that is there.
                let nanos = nanos.min(now_nanos().saturating_sub(self.started));
                self.mail(sorted, taken + len as usize, spare, news);
                self.tell_spans(news);
                let done = self.in_flight.pop_front().ok_or(Corrupt)?;
                news.push(News::Done(done.chunk, done.done, nanos));
            } else if large {
                let len = usize::try_from(len).map_err(|_| Corrupt)?;
                let mut landing = landing(front.chunk.call, len).ok_or(Corrupt)?;
                // A fault on each fresh page would cost ten times the copying.
                advise_huge(landing.bytes_mut());
                self.mail(sorted, taken, spare, news);
                let filled = self.pending.len().min(len);
                landing.bytes_mut()[..filled].copy_from_slice(&self.pending[..filled]);
                self.pending.drain(..filled);
                self.receiving = Some(Receiving { landing, filled });
                if filled < len {
                    return Ok(());
                }
                self.land(news)?;
            } else if status == Status::Note {
                let end = value + len as usize;
                let note = Note::from_bytes(&self.pending[value..end]).ok_or(Corrupt)?;
                let start = std::mem::replace(&mut sorted.bytes, end);
                sorted.gaps.push(start..end);
                match note {
                    Note::Wrote(_) if over => return Err(Corrupt),
                    Note::Wrote(spans) => {
                        self.tell_written(news);
                        let streams = self.streams.as_ref().ok_or(Corrupt)?;
                        self.written = Some((self.items_done, streams.item(spans)));
                    }
                    Note::Ran(times) => self.take_times(times)?,
                }
            } else {
                let end = value + len as usize;
                let table = self.keeps.filter(|_| !front.chunk.is_hook());
                let end = self.complete_failure(sorted.bytes, value, end);
                self.last_result = None;
                if let Some(front) = self.in_flight.front().filter(|one| !one.chunk.is_hook()) {
                    let record = &self.pending[value..];
                    let record = &record[..end - value.min(end)];
                    news.push(News::Said(Said::new(
                        &front.chunk,
                        front.done,
                        Some(self.pid),
                        record,
                    )));
                }
                if let Some(table) = table {
                    let record = self.pending[sorted.bytes..end].to_vec();
                    self.mail(sorted, record.len(), spare, news);
                    self.fail(table, record, news);
                } else if let Some(front) = self.in_flight.front_mut() {
                    front.done += 1;
                    self.items_done += 1;
                    sorted.items += 1;
                    sorted.failed += 1;
                    sorted.bytes = end;
                }
            }
        }
    }

    /// The worker says when the item ran whose record came last.
    fn take_times(&mut self, times: Times) -> Result<(), Corrupt> {
        let front = self.in_flight.front_mut();
        let front = front.filter(|front| front.timed && front.times < front.done);
        let front = front.ok_or(Corrupt)?;
        front.times = front.done;
        // No item began before its worker, nor took longer than until now.
        let now = now_nanos();
        let began = times.began.clamp(self.started.min(now), now);
        let mut left = now - began;
        let mut part = |nanos: u64| {
            let part = nanos.min(left);
            left -= part;
            part
        };
        self.spans.push(ItemSpan {
            index: front.chunk.first + front.done as usize - 1,
            attempt: front.chunk.history.attempt,
            began,
            decoding: part(times.decoding),
            running: part(times.running),
            encoding: part(times.encoding),
            bytes: self.last_result.unwrap_or(0),
            failed: self.last_result.is_none(),
        });
        Ok(())
    }

    fn tell_spans(&mut self, news: &mut Vec<News>) {
        if self.spans.is_empty() {
            return;
        }
        let spans = std::mem::take(&mut self.spans);
        if let Some(front) = self.in_flight.front().filter(|one| !one.chunk.is_hook()) {
            news.push(News::Timed(front.chunk.call, spans));
        }
    }

    /// The next item failed, and its worker lives.
    fn fail(&mut self, table: &Table, record: Vec<u8>, news: &mut Vec<News>) {
        let Some(front) = self.in_flight.front_mut() else {
            return;
        };
        let chunk = &front.chunk;
        let arguments = table.arguments(chunk.function);
        let (passed, mut place) = front.passed;
        let between = (front.done - passed) as usize;
        chunk.payload.pass(&mut place, between, arguments);
        let origin = Origin {
            pid: Some(self.pid),
            attempt: chunk.history.attempt,
        };
        let index = chunk.first + front.done as usize;
        let item = chunk.copy_item(index, &mut place, arguments);
        let how = How::Said { origin, record };
        front.done += 1;
        self.items_done += 1;
        front.passed = (front.done, place);
        self.tell_written(news);
        news.push(News::Failed(Failed { item, how }));
    }

    /// Makes mail of the sorted records, and drops the `skip` bytes behind them.
    fn mail(
        &mut self,
        sorted: &mut Sorted,
        skip: usize,
        spare: &mut Vec<Vec<u8>>,
        news: &mut Vec<News>,
    ) {
        let Sorted {
            bytes: end,
            items,
            failed,
            row,
            gaps,
        } = std::mem::take(sorted);
        self.tell_written(news);
        let Some(front) = self.in_flight.front().filter(|_| items > 0) else {
            self.pending.drain(..end + skip);
            return;
        };
        let mut remainder = spare.pop().unwrap_or_default();
        remainder.extend_from_slice(&self.pending[end + skip..]);
        let mut bytes = std::mem::replace(&mut self.pending, remainder);
        bytes.truncate(end);
        written::close(&mut bytes, &gaps);
        let first = front.chunk.first + (front.done - items) as usize;
        let (results, size) = ((items - failed) as usize, bytes.len());
        let delivery = Delivery::Records {
            objects: self.carriage.take(self.items_done),
            first,
            count: items as usize,
            origin: Origin {
                pid: Some(self.pid),
                attempt: front.chunk.history.attempt,
            },
            bytes,
            row,
        };
        news.push(News::Mail {
            call: front.chunk.call,
            delivery,
            results,
            bytes: size,
        });
    }
}

//! What is on its way to one other rank, and from it.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::sync::Arc;

use super::abi::Abi;
use super::buffers::Buffers;
use super::calls::{Bytes, Failure, Mpi, Receiving, Sending};

/// So many messages to a rank are under way at a time, and the next one if they are shorter than this.
const WINDOW: usize = 16;
const WINDOW_BYTES: usize = 8 << 20;

/// What a message is, in the low bits of its tag; above them stands the number of a broadcast.
pub(super) const MESSAGE: c_int = 0;
/// Rank 0 begins a broadcast: the message is its length, eight bytes with the lowest first.
pub(super) const ANNOUNCEMENT: c_int = 1;
/// A rank has got a broadcast; the message is empty.
pub(super) const RECEIPT: c_int = 2;
/// What was to come by a broadcast comes by itself.
pub(super) const SUBSTITUTE: c_int = 3;
const KIND_BITS: u32 = 2;
/// MPI promises tags up to 32767. Far fewer broadcasts are under way at a time.
const NUMBERS: u64 = 1 << 12;

/// The tag for something about the broadcast with that number.
pub(super) fn tag(kind: c_int, number: u64) -> c_int {
    let number = c_int::try_from(number % NUMBERS).unwrap_or(0);
    kind | (number << KIND_BITS)
}

pub(super) fn kind_of(tag: c_int) -> c_int {
    tag & ((1 << KIND_BITS) - 1)
}

/// What waits to be sent to a rank.
#[derive(Debug)]
pub(super) enum Item {
    Message(Bytes),
    /// Of a broadcast, with its length. It waits until that is begun.
    Announcement(u64, usize),
    /// With a tag of its own.
    Receipt(c_int),
    Substitute(u64, Arc<[u8]>),
}

/// What comes from a rank, in the order in which it was sent.
enum Arrival<A: Abi> {
    Message(Receiving<A>),
    /// Of a broadcast, with its tag.
    Announcement(c_int, Receiving<A>),
    /// A broadcast; nothing can be expected of it if it failed.
    Broadcast(c_int, Option<Receiving<A>>),
    /// What came instead of a broadcast.
    Substituted(c_int, Vec<u8>),
}

pub(super) struct Peer<A: Abi> {
    pub(super) lost: bool,
    /// Whether it is in the list of those to which something is on its way, and from which.
    pub(super) in_outgoing: bool,
    pub(super) in_incoming: bool,
    queue: VecDeque<Item>,
    flying: VecDeque<Sending<A>>,
    flying_bytes: usize,
    /// Bytes of messages and of broadcasts that it has not got, as far as is known.
    pub(super) backlog: usize,
    /// Broadcasts that it was told of, and those that it has got: rank 0 counts them.
    pub(super) told: u64,
    pub(super) got: u64,
    arrivals: VecDeque<Arrival<A>>,
    /// Announcements among the arrivals.
    announced: usize,
    substitutes: Vec<(c_int, Receiving<A>)>,
}

impl<A: Abi> Default for Peer<A> {
    fn default() -> Self {
        Self {
            lost: false,
            in_outgoing: false,
            in_incoming: false,
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            flying_bytes: 0,
            backlog: 0,
            told: 0,
            got: 0,
            arrivals: VecDeque::new(),
            announced: 0,
            substitutes: Vec::new(),
        }
    }
}

impl<A: Abi> Peer<A> {
    /// Nothing is sent to it or comes from it any more.
    pub(super) fn lose(&mut self) {
        *self = Self {
            lost: true,
            ..Self::default()
        };
    }

    pub(super) fn put(&mut self, item: Item) {
        if let Item::Message(bytes) = &item {
            self.backlog += bytes.as_slice().len();
        }
        self.queue.push_back(item);
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.queue.is_empty() || !self.flying.is_empty()
    }

    pub(super) fn has_incoming(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Sends what may be sent now. Broadcasts below the number `begun` may be announced. What was sent leaves its
    /// memory, if that was its own.
    pub(super) fn push(
        &mut self,
        mpi: &Mpi<A>,
        to: usize,
        begun: u64,
        buffers: &mut Buffers,
    ) -> Result<(), Failure> {
        while let Some(mut oldest) = self.flying.pop_front() {
            if !oldest.is_over(mpi)? {
                self.flying.push_front(oldest);
                break;
            }
            self.flying_bytes -= oldest.bytes();
            self.backlog -= oldest.bytes();
            buffers.put(oldest.into_memory().unwrap_or_default());
        }
        while self.flying.len() < WINDOW && self.flying_bytes < WINDOW_BYTES {
            let (tag, bytes) = match self.queue.pop_front() {
                None => break,
                Some(Item::Announcement(number, bytes)) if number >= begun => {
                    self.queue.push_front(Item::Announcement(number, bytes));
                    break;
                }
                Some(Item::Message(bytes)) => (MESSAGE, bytes),
                Some(Item::Announcement(number, bytes)) => {
                    self.told = number + 1;
                    let bytes = (bytes as u64).to_le_bytes().to_vec();
                    self.backlog += bytes.len();
                    (tag(ANNOUNCEMENT, number), Bytes::Own(bytes))
                }
                Some(Item::Receipt(tag)) => (tag, Bytes::Own(Vec::new())),
                Some(Item::Substitute(number, bytes)) => {
                    (tag(SUBSTITUTE, number), Bytes::Shared(bytes))
                }
            };
            let mut sending = mpi.send(to, tag, bytes)?;
            if sending.is_over(mpi)? {
                self.backlog -= sending.bytes();
                buffers.put(sending.into_memory().unwrap_or_default());
            } else {
                self.flying_bytes += sending.bytes();
                self.flying.push_back(sending);
            }
        }
        Ok(())
    }

    /// Has what was to come by broadcasts sent by itself: those from the one with the number `first`, which
    /// are given.
    pub(super) fn substitute(&mut self, first: u64, broadcasts: &[Arc<[u8]>]) {
        let of = |number: u64| {
            let place = usize::try_from(number.checked_sub(first)?).ok()?;
            broadcasts.get(place).cloned()
        };
        for item in &mut self.queue {
            if let Item::Announcement(number, _) = item
                && let Some(broadcast) = of(*number)
            {
                *item = Item::Message(Bytes::Shared(broadcast));
            }
        }
        for number in (self.got..self.told).rev() {
            if let Some(broadcast) = of(number) {
                self.queue.push_front(Item::Substitute(number, broadcast));
            }
        }
    }

    pub(super) fn expect(&mut self, tag: c_int, receiving: Receiving<A>) {
        match kind_of(tag) {
            ANNOUNCEMENT => {
                self.announced += 1;
                self.arrivals
                    .push_back(Arrival::Announcement(tag, receiving));
            }
            SUBSTITUTE => self.substitutes.push((tag, receiving)),
            _ => self.arrivals.push_back(Arrival::Message(receiving)),
        }
    }

    /// The next message from it, if it is there.
    pub(super) fn next(
        &mut self,
        mpi: &Mpi<A>,
        buffers: &mut Buffers,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if self.announced > 0 {
            self.join_broadcasts(mpi, buffers)?;
        }
        if !self.substitutes.is_empty() {
            self.take_substitutes(mpi)?;
        }
        let (message, receipt) = match self.arrivals.front_mut() {
            None | Some(Arrival::Announcement(..) | Arrival::Broadcast(_, None)) => {
                return Ok(None);
            }
            Some(Arrival::Message(receiving)) => (receiving.message(mpi)?, None),
            Some(Arrival::Broadcast(tag, receiving @ Some(_))) => {
                let message = receiving.as_mut().map(|receiving| receiving.message(mpi));
                match message.transpose() {
                    Ok(message) => (message.flatten(), Some(*tag)),
                    Err(_) => {
                        *receiving = None;
                        return Ok(None);
                    }
                }
            }
            Some(Arrival::Substituted(tag, message)) => (Some(std::mem::take(message)), Some(*tag)),
        };
        if message.is_some() {
            self.arrivals.pop_front();
            if let Some(broadcast) = receipt {
                let tag = broadcast - ANNOUNCEMENT + RECEIPT;
                self.put(Item::Receipt(tag));
            }
        }
        Ok(message)
    }

    /// All ranks begin broadcasts in the order in which they were announced, whatever else is on its way.
    fn join_broadcasts(&mut self, mpi: &Mpi<A>, buffers: &mut Buffers) -> Result<(), Failure> {
        for arrival in &mut self.arrivals {
            let Arrival::Announcement(tag, receiving) = arrival else {
                continue;
            };
            let Some(length) = receiving.message(mpi)? else {
                break;
            };
            let length = <[u8; 8]>::try_from(length).ok().map(u64::from_le_bytes);
            let length = length.and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| *length <= super::world::MOST);
            let Some(length) = length else {
                return Err(Failure {
                    function: "MPI_Irecv",
                    reason: "the length of a broadcast is none".to_owned(),
                });
            };
            *arrival = Arrival::Broadcast(
                *tag,
                Some(mpi.receive_as_all(length, buffers.take(length))?),
            );
            self.announced -= 1;
        }
        Ok(())
    }

    fn take_substitutes(&mut self, mpi: &Mpi<A>) -> Result<(), Failure> {
        let mut waiting = Vec::new();
        for (tag, mut receiving) in std::mem::take(&mut self.substitutes) {
            let Some(message) = receiving.message(mpi)? else {
                waiting.push((tag, receiving));
                continue;
            };
            let announcement = tag - SUBSTITUTE + ANNOUNCEMENT;
            let place = self.arrivals.iter_mut().find(|arrival| {
                matches!(arrival, Arrival::Announcement(tag, _) | Arrival::Broadcast(tag, _) if *tag == announcement)
            });
            // Without a place the broadcast itself has come, before the loss that made rank 0 doubt it.
            if let Some(place) = place {
                if matches!(place, Arrival::Announcement(..)) {
                    self.announced -= 1;
                }
                *place = Arrival::Substituted(announcement, message);
            }
        }
        self.substitutes = waiting;
        Ok(())
    }
}

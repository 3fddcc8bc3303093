//! The memory of an array: its layout, its lock, and whether it is whole or split.
//!
//! | from | bytes | what |
//! | --- | --- | --- |
//! | 0 | [`RawRwLock::SIZE`] | the lock: operations on elements are readers, who has it all is the writer |
//! | then | 64 | [`Header`] |
//! | then | 8 for each possible part | the words of the parts |
//! | then, on a multiple of 64 or more | | the elements |
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `mode` | the writer, as the last step of a split and of its end | readers, below the lock |
//! | `parts`, `chunk` | the writer, while the array is whole | those of the split that `mode` names |
//! | words of parts | see [`parts`](super::parts); before a split, the writer | anybody |
//! | `returned`, `waiters` | anybody | who waits for parts |
//! | `holder`, `poisoned` | the writer | the writer; `poisoned` anybody |
//!
//! A writer that is killed leaves `mode` as it was before or after; whatever else it wrote then has no
//! meaning, or is complete.

#![expect(unsafe_code, reason = "the header in shared memory is used as atomics")]

use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use super::error::ArrayError;
use super::parts::{Holder, Member, Part, Refusal, State};
use crate::family::{self, Family, SLOTS};
use crate::object::PAYLOAD;
use crate::sync::raw::RawRwLock;
use crate::sys::{Mapping, futex_wake};

/// The most parts of one array.
const MOST_PARTS: usize = 1 << 16;
/// Bits of a slot of the family, in the words of parts.
const SLOT_BITS: u32 = SLOTS.trailing_zeros();
/// Elements begin on a cache line of their own.
const LINE: usize = 64;
/// Mappings begin with pages, so nothing can be aligned to more.
const PAGE: usize = 4096;

/// What is known of an array beside its elements; zeroes are that of a new one.
#[repr(C, align(64))]
#[derive(Debug)]
struct Header {
    /// 0, or an odd number that names the split, counted up by each beginning and each end.
    mode: AtomicU64,
    parts: AtomicU64,
    /// Elements of each part; 0 if they are as even as can be.
    chunk: AtomicU64,
    /// Counted up whenever a part comes back.
    returned: AtomicU32,
    waiters: AtomicU32,
    /// 1 while a guard that the user sees exists.
    holder: AtomicU32,
    poisoned: AtomicU32,
}

/// Where things are in the memory of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    most_parts: usize,
    header: usize,
    table: usize,
    elements: usize,
    /// Bytes in all, behind the object's own header.
    pub(super) bytes: usize,
}

impl Layout {
    /// # Errors
    /// When so many elements do not fit into memory, or their alignment is not to be had there.
    pub(super) fn of<T>(len: usize) -> io::Result<Self> {
        if align_of::<T>() > PAGE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "shared memory cannot be aligned to more than a page",
            ));
        }
        let most_parts = len.clamp(1, MOST_PARTS);
        let header = PAYLOAD + RawRwLock::SIZE.next_multiple_of(LINE);
        let table = header + size_of::<Header>();
        let elements = (table + 8 * most_parts).next_multiple_of(align_of::<T>().max(LINE));
        let end = len
            .checked_mul(size_of::<T>())
            .and_then(|bytes| bytes.checked_add(elements))
            .filter(|end| isize::try_from(*end).is_ok())
            .ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            most_parts,
            header,
            table,
            elements,
            bytes: end - PAYLOAD,
        })
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    fn deadline(self) -> Option<Instant> {
        match self {
            Patience::Until(deadline) => Some(deadline),
            Patience::None | Patience::Endless => None,
        }
    }

    fn is_over(self) -> bool {
        match self {
            Patience::None => true,
            Patience::Until(deadline) => Instant::now() >= deadline,
            Patience::Endless => false,
        }
    }
}

/// An array in this process, whatever its elements are.
#[derive(Debug)]
pub(super) struct Core {
    lock: RawRwLock,
    family: Arc<Family>,
    layout: Layout,
    mapping: Arc<Mapping>,
    header: NonNull<Header>,
    elements: NonNull<u8>,
}

// SAFETY: the header consists of atomics, and elements are used by the rules of the lock; all is
// mapped as long as `self` lives.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

impl Core {
    /// The array in a mapping that is as long as the layout says.
    ///
    /// # Errors
    /// When this process is no member of the family.
    pub(super) fn new(mapping: &Arc<Mapping>, layout: Layout) -> io::Result<Self> {
        // SAFETY: the layout gives these bytes to the lock alone, and they are aligned to a line.
        let lock = unsafe { RawRwLock::at(mapping, PAYLOAD) }?;
        let len = PAYLOAD + layout.bytes - layout.elements;
        Ok(Self {
            lock,
            family: family::family()?,
            layout,
            mapping: Arc::clone(mapping),
            header: mapping.at(layout.header, size_of::<Header>()).cast(),
            elements: mapping.at(layout.elements, len),
        })
    }

    fn header(&self) -> &Header {
        // SAFETY: in bounds and aligned by the layout, atomics only, mapped as long as `self`.
        unsafe { self.header.as_ref() }
    }

    /// Where the elements begin; the layout says how many bytes there are.
    #[inline]
    pub(super) fn elements(&self) -> NonNull<u8> {
        self.elements
    }

    fn part(&self, index: usize) -> Part<'_> {
        let word = self.mapping.at(self.layout.table + 8 * index, 8).cast();
        // SAFETY: in bounds, as was asserted, and aligned; atomics only, mapped as long as `self`.
        Part(unsafe { word.as_ref() })
    }

    /// Takes the side of those who use single elements, which all can have at the same time.
    ///
    /// # Errors
    /// When parts are out.
    #[inline]
    pub(super) fn read(&self) -> Result<Reading<'_>, ArrayError> {
        loop {
            self.lock.read()?;
            let reading = Reading(self);
            if self.header().mode.load(SeqCst) & 1 == 0 {
                return Ok(reading);
            }
            drop(reading);
            self.reunite()?;
        }
    }

    /// As [`read`](Self::read), for a time that the user decides on: meanwhile other readers of this process
    /// do not wait for a writer, which would wait for them to end.
    ///
    /// # Errors
    /// When parts are out.
    pub(super) fn open(&self) -> Result<Opened<'_>, ArrayError> {
        loop {
            self.lock.read_inside()?;
            let opened = Opened(self);
            if self.header().mode.load(SeqCst) & 1 == 0 {
                return Ok(opened);
            }
            drop(opened);
            self.reunite()?;
        }
    }

    /// Takes all of the array.
    ///
    /// # Errors
    /// When that is not possible in time.
    pub(super) fn write(&self, patience: Patience) -> Result<Writing<'_>, ArrayError> {
        loop {
            let writing = self.write_any(patience)?;
            if writing.is_whole() {
                return Ok(writing);
            }
            // Read before the parts are counted, so that none comes back unseen.
            let returned = self.header().returned.load(SeqCst);
            let deaths = self.family.deaths();
            let out = self.out();
            if out == 0 {
                writing.end_split();
                return Ok(writing);
            }
            drop(writing);
            if patience.is_over() {
                return Err(ArrayError::Split { out });
            }
            let header = self.header();
            header.waiters.fetch_add(1, SeqCst);
            let deadline = patience.deadline();
            self.family
                .wait(&header.returned, returned, deaths, deadline);
            header.waiters.fetch_sub(1, SeqCst);
        }
    }

    /// Takes all of the array for a moment: waits for who has the lock, but for no parts.
    ///
    /// # Errors
    /// When parts are out.
    pub(super) fn write_briefly(&self) -> Result<Writing<'_>, ArrayError> {
        let writing = self.write_any(Patience::Endless)?;
        if !writing.is_whole() {
            match self.out() {
                0 => writing.end_split(),
                out => return Err(ArrayError::Split { out }),
            }
        }
        Ok(writing)
    }

    /// Takes the lock, whether the array is whole or not.
    fn write_any(&self, patience: Patience) -> Result<Writing<'_>, ArrayError> {
        let taken = match patience {
            Patience::None => self.lock.try_write()?,
            Patience::Until(deadline) => self.lock.write_until(deadline)?,
            Patience::Endless => {
                self.lock.write()?;
                true
            }
        };
        // Made only then: dropping it would let go of the lock of a guard that this thread has.
        taken.then(|| Writing(self)).ok_or(ArrayError::Busy)
    }

    /// Ends the split if all the parts are back.
    #[cold]
    fn reunite(&self) -> Result<(), ArrayError> {
        // The lock is not taken in vain, since those who pass parts on need it.
        match self.out() {
            0 => self.write_briefly().map(drop),
            out => Err(ArrayError::Split { out }),
        }
    }

    /// How many parts are out; 0 if the array is whole.
    pub(super) fn out(&self) -> usize {
        if self.header().mode.load(SeqCst) & 1 == 0 {
            return 0;
        }
        let holders = self.holders();
        holders
            .filter(|part| part.is_out(|member| self.is_alive(member)))
            .count()
    }

    /// This process, as the words of parts name it.
    ///
    /// # Errors
    /// In a copy made by `fork`.
    fn me(&self) -> Result<Member, ArrayError> {
        let me = self.family.me().map_err(|error| ArrayError::System {
            reason: error.to_string(),
        })?;
        Ok(u64::from(me.generation()) << SLOT_BITS | me.slot() as u64)
    }

    fn is_alive(&self, member: Member) -> bool {
        let (generation, slot) = (member >> SLOT_BITS, member & (SLOTS as u64 - 1));
        let member = family::Member::from_bits(generation << 32 | slot);
        member.is_some_and(|member| self.family.is_alive(member))
    }

    fn holders(&self) -> impl Iterator<Item = Holder> {
        (0..self.parts()).map(|index| self.part(index).holder())
    }

    fn parts(&self) -> usize {
        let parts = usize::try_from(self.header().parts.load(SeqCst));
        parts.unwrap_or(usize::MAX).min(self.layout.most_parts)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.header().poisoned.load(SeqCst) != 0
    }

    /// Whether a guard exists that the user sees, or one that was left by who died.
    #[cfg(test)]
    pub(super) fn is_guarded(&self) -> bool {
        self.header().holder.load(SeqCst) != 0
    }

    /// Whether no writer has the array or waits for it.
    #[cfg(test)]
    pub(super) fn is_readable(&self) -> bool {
        self.lock.is_readable()
    }

    pub(super) fn clear_poison(&self) {
        self.header().poisoned.store(0, SeqCst);
    }

    /// Takes the parts out of messages that nobody has read, and says how many these were.
    pub(super) fn reclaim(&self) -> usize {
        if self.header().mode.load(SeqCst) & 1 == 0 {
            return 0;
        }
        let reclaimed = (0..self.parts())
            .filter(|index| self.part(*index).reclaim())
            .count();
        if reclaimed > 0 {
            self.tell_returned();
        }
        reclaimed
    }

    fn tell_returned(&self) {
        let header = self.header();
        header.returned.fetch_add(1, SeqCst);
        if header.waiters.load(SeqCst) != 0 {
            futex_wake(&header.returned);
        }
    }

    /// Which elements of `len` a part of the split has; none if there is no such part.
    pub(super) fn range(&self, index: usize, len: usize) -> Option<Range<usize>> {
        let parts = self.parts();
        let chunk = self.header().chunk.load(SeqCst);
        let range = match usize::try_from(chunk).ok()? {
            0 => {
                let (each, more) = (len.checked_div(parts)?, len.checked_rem(parts)?);
                let start = index * each + index.min(more);
                start..start + each + usize::from(index < more)
            }
            chunk => {
                let start = index.checked_mul(chunk)?;
                start..start.saturating_add(chunk).min(len)
            }
        };
        (index < parts && range.start <= range.end && range.end <= len).then_some(range)
    }
}

/// What a part is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) split: u64,
    pub(super) index: usize,
}

/// Parts as they go from hand to hand. None of this waits for who holds the lock for long: the
/// lock is never held that way while the array is split.
impl Core {
    /// Makes this process the owner of a part, as the reader of the message with that ticket.
    pub(super) fn claim(&self, claim: Claim, ticket: u32) -> Result<(), String> {
        // As readers these keep the split from ending meanwhile.
        self.lock
            .read()
            .map_err(|error| ArrayError::from(error).to_string())?;
        let _reading = Reading(self);
        let Claim { split, index } = claim;
        if self.header().mode.load(SeqCst) != split || index >= self.parts() {
            return Err(format!(
                "part {index} of a shared array was taken back: all of its parts were dropped, lost or reclaimed"
            ));
        }
        let me = self.me().map_err(|error| error.to_string())?;
        let alive = |member| self.is_alive(member);
        let claimed = self.part(index).claim(ticket, me, alive);
        claimed.map_err(|refusal| match refusal {
            Refusal::Gone => {
                format!("part {index} of a shared array went elsewhere, or was reclaimed")
            }
            Refusal::Owned(_) => {
                format!("part {index} of a shared array has an owner already")
            }
        })
    }

    /// Makes this process the owner again of a part that it has sent away, if that was received and is
    /// back by now. What is still in the message stays there: somebody may receive it.
    pub(super) fn comes_back(&self, claim: Claim, ticket: u32) -> bool {
        let under_way = self.part(claim.index).holder().state == State::Moving;
        !under_way && self.claim(claim, ticket).is_ok()
    }

    /// Puts a part that this process owns into a message, and gives the ticket for it.
    pub(super) fn depart(&self, claim: Claim, ticket: u32) -> Option<u32> {
        self.part(claim.index).depart(ticket, self.me().ok()?)
    }

    /// Whether the part is still in the message with that ticket, which this process wrote.
    pub(super) fn is_under_way(&self, claim: Claim, ticket: u32) -> bool {
        let me = self.me();
        me.is_ok_and(|me| self.part(claim.index).is_under_way(ticket, me))
    }

    pub(super) fn give_back(&self, claim: Claim, ticket: u32, panicked: bool) {
        // What a forked copy of this process drops is still the part of this one.
        let me = self.me();
        if me.is_ok_and(|me| self.part(claim.index).give_back(ticket, me, panicked)) {
            self.tell_returned();
        }
    }
}

/// The array is whole, and used by elements.
#[derive(Debug)]
pub(super) struct Reading<'a>(&'a Core);

impl Drop for Reading<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.lock.unlock_read();
    }
}

/// So too, for a longer time.
#[derive(Debug)]
pub(super) struct Opened<'a>(&'a Core);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.lock.leave();
    }
}

/// Nobody else uses the array, or any of its parts.
#[derive(Debug)]
pub(super) struct Writing<'a>(&'a Core);

impl<'a> Writing<'a> {
    pub(super) fn core(&self) -> &'a Core {
        self.0
    }

    fn is_whole(&self) -> bool {
        self.0.header().mode.load(SeqCst) & 1 == 0
    }

    /// Ends a split of which no part is out.
    fn end_split(&self) {
        let header = self.0.header();
        if self
            .0
            .holders()
            .any(|part| part.is_lost(|member| self.0.is_alive(member)))
        {
            header.poisoned.store(1, SeqCst);
        }
        let split = header.mode.load(SeqCst);
        header.mode.store(split.wrapping_add(1), SeqCst);
    }

    /// Splits the array, which is whole, and gives the name of the split; all the parts are this process's.
    ///
    /// # Errors
    /// When there cannot be so many.
    pub(super) fn split(&self, parts: usize, chunk: usize) -> Result<u64, ArrayError> {
        let (header, most) = (self.0.header(), self.0.layout.most_parts);
        if parts == 0 || parts > most {
            return Err(ArrayError::Parts { parts, most });
        }
        let mine = Holder {
            state: State::Owned,
            ticket: 0,
            member: self.0.me()?,
        };
        for index in 0..parts {
            self.0.part(index).0.store(mine.to_word(), SeqCst);
        }
        header.parts.store(parts as u64, SeqCst);
        header.chunk.store(chunk as u64, SeqCst);
        let split = header.mode.load(SeqCst) | 1;
        // Counted by the end of each split, so that no two have the same name.
        header.mode.store(split, SeqCst);
        Ok(split)
    }

    /// Notes that a guard the user sees begins, and says whether the one before did not end.
    pub(super) fn begin_guard(&self) -> bool {
        let header = self.0.header();
        if header.holder.swap(1, SeqCst) != 0 {
            header.poisoned.store(1, SeqCst);
        }
        self.0.is_poisoned()
    }

    pub(super) fn end_guard(&self, panicked: bool) {
        // What a copy made by `fork` drops is still the guard of its original.
        if !self.0.lock.is_mine() {
            return;
        }
        let header = self.0.header();
        if panicked {
            header.poisoned.store(1, SeqCst);
        }
        header.holder.store(0, SeqCst);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.lock.unlock_write();
    }
}

//! The bytes of a chunk in the making, and what its arguments name.

use std::borrow::Cow;
use std::sync::Arc;

use super::block::{Block, Piece};
use super::loan::Borrower;
use super::varint;
use super::words::Recycled;
use crate::object::Object;

/// A place between two arguments of a payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    bytes: usize,
    held: usize,
}

/// The items of a chunk: bytes, and between them large vectors, slices and texts that are kept as they came.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    /// If not 0, the items are plain numbers of that many bytes in a row, and nothing stands between them.
    width: usize,
    pub(super) bytes: Vec<u8>,
    /// Each stands before the byte at its position.
    held: Vec<(usize, Block)>,
    /// Bytes of all the held vectors.
    held_bytes: usize,
    /// Who lends slices that are added.
    borrower: Option<Borrower>,
    /// What the arguments name; most often nothing.
    objects: Vec<Arc<Object>>,
    /// One of the objects is such that somebody may wait through it.
    waits: bool,
}

/// A place in a payload that it can go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    bytes: usize,
    held: usize,
    objects: usize,
}

impl Payload {
    pub(crate) fn with_buffer(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// A row of plain numbers of `width` bytes.
    pub(crate) fn row(bytes: Vec<u8>, width: usize) -> Self {
        Self {
            width,
            ..Self::with_buffer(bytes)
        }
    }

    /// What the bytes of a number are in a row of them, or 0.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Has `put` fill the places of at most `most` numbers until it says no, and counts in `count` those that
    /// it filled. False if it said no.
    #[inline]
    pub(crate) fn fill_row(
        &mut self,
        most: usize,
        count: &mut u32,
        mut put: impl FnMut(&mut [u8]) -> bool,
    ) -> bool {
        self.bytes.resize(most * self.width, 0);
        for slot in self.bytes.chunks_exact_mut(self.width) {
            if !put(slot) {
                return false;
            }
            *count += 1;
        }
        true
    }

    /// Leaves the first `count` numbers of a row.
    pub(crate) fn end_row(&mut self, count: u32) {
        self.bytes.truncate(count as usize * self.width);
    }

    /// Gives the only number of a row the length that stands before any other argument.
    pub(crate) fn leave_row(&mut self) {
        if self.width > 0 {
            // One byte, since no number is longer than 127.
            self.bytes.insert(0, self.width as u8);
            self.width = 0;
        }
    }

    /// Arguments that were encoded in another process; numbers in a row if these have a `width`.
    #[cfg(feature = "mpi")]
    pub(crate) fn received(bytes: Vec<u8>, width: usize, objects: Vec<Arc<Object>>) -> Self {
        Self {
            width,
            ..Self::from_encoded(bytes, objects)
        }
    }

    /// Arguments that were encoded before, and what they name.
    pub(crate) fn from_encoded(bytes: Vec<u8>, objects: Vec<Arc<Object>>) -> Self {
        Self {
            bytes,
            waits: any_waits(&objects),
            objects,
            ..Self::default()
        }
    }

    /// Slices that are added from here on need not be copied.
    pub(crate) fn borrow_from(&mut self, borrower: Option<Borrower>) {
        self.borrower = borrower;
    }

    pub(super) fn borrower(&self) -> Option<&Borrower> {
        self.borrower.as_ref()
    }

    /// Adds a large argument behind its length.
    pub(super) fn hold(&mut self, block: Block) {
        self.held_bytes += block.len();
        self.held.push((self.bytes.len(), block));
    }

    /// Makes a copy of everything that somebody lends.
    pub(crate) fn own(&mut self) {
        for (_, block) in &mut self.held {
            block.own();
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.held_bytes
    }

    /// The bytes as a list of pieces.
    pub(crate) fn piece(&self, index: usize) -> Option<Piece<'_>> {
        // Pieces alternate: bytes, held, bytes, held, …, bytes.
        let start = match (index / 2).checked_sub(1) {
            Some(before) => self.held.get(before)?.0,
            None => 0,
        };
        if index % 2 == 1 {
            return self.held.get(index / 2).map(|(_, block)| block.bytes());
        }
        let end = self
            .held
            .get(index / 2)
            .map_or(self.bytes.len(), |(position, _)| *position);
        self.bytes.get(start..end).map(Piece::Own)
    }

    /// The list of pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> + Clone {
        (0..).map_while(|index| self.piece(index))
    }

    /// Those behind `mark`.
    pub(crate) fn pieces_behind(&self, mark: Mark) -> impl Iterator<Item = Piece<'_>> {
        let mut start = mark.bytes;
        let held = self.held.get(mark.held..).unwrap_or_default();
        let end = held.last().map_or(mark.bytes, |(position, _)| *position);
        let between = move |position: usize| {
            let bytes = self.bytes.get(start..position).unwrap_or_default();
            start = position;
            Piece::Own(bytes)
        };
        let pieces = held.iter().map(|(position, block)| (*position, block));
        let pieces = pieces.scan(between, |between, (position, block)| {
            Some([between(position), block.bytes()])
        });
        let last = self.bytes.get(end..).unwrap_or_default();
        pieces.flatten().chain([Piece::Own(last)])
    }

    /// All the bytes in one.
    pub(crate) fn whole(&self) -> Cow<'_, [u8]> {
        if self.held.is_empty() {
            return Cow::Borrowed(&self.bytes);
        }
        let mut whole = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            whole.extend_from_slice(&piece);
        }
        Cow::Owned(whole)
    }

    /// The buffer, to be used again; so are large vectors.
    pub(crate) fn into_buffer(self, recycled: &mut Recycled) -> Vec<u8> {
        for (_, block) in self.held {
            block.recycle(recycled);
        }
        self.bytes
    }

    /// Takes the arguments of `other` in behind its own, if they name nothing and are all bytes; says
    /// whether it did.
    pub(crate) fn absorb(&mut self, other: &Self) -> bool {
        let plain = |payload: &Self| payload.objects.is_empty() && payload.held.is_empty();
        // Where there is no memory for that, there may be for what is smaller.
        let fits = plain(self) && plain(other) && self.bytes.try_reserve(other.bytes.len()).is_ok();
        if fits {
            self.bytes.extend_from_slice(&other.bytes);
        }
        fits
    }

    /// Gives up unused memory: the chunk will wait for long.
    pub(crate) fn shrink(&mut self) {
        // What the allocator would hand out anyway is not worth moving for.
        if self.bytes.capacity() > 2 * self.bytes.len().max(32) {
            self.bytes.shrink_to_fit();
        }
    }

    /// Where the payload stands, for [`rewind`](Self::rewind).
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            held: self.held.len(),
            objects: self.objects.len(),
        }
    }

    /// What the arguments name, which has to be where they are decoded.
    #[inline]
    pub(crate) fn objects(&self) -> &[Arc<Object>] {
        &self.objects
    }

    /// Gives up what the arguments name: nobody but who has it already will decode them.
    pub(crate) fn take_objects(&mut self) -> Vec<Arc<Object>> {
        self.waits = false;
        std::mem::take(&mut self.objects)
    }

    /// True if somebody may wait for another process through what the arguments name.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Takes what stands behind `mark` out.
    pub(crate) fn split_off(&mut self, mark: Mark) -> Self {
        let mut held = self.held.split_off(mark.held);
        for (position, _) in &mut held {
            *position -= mark.bytes;
        }
        // The later arguments may name what earlier ones named already.
        let objects = self.objects.clone();
        self.objects.truncate(mark.objects);
        let mut rest = Self {
            width: self.width,
            bytes: self.bytes.split_off(mark.bytes),
            held,
            held_bytes: 0,
            borrower: None,
            objects,
            waits: self.waits,
        };
        self.waits = any_waits(&self.objects);
        self.count_held();
        rest.count_held();
        rest
    }

    pub(super) fn name(&mut self, objects: Vec<Arc<Object>>) {
        self.waits |= any_waits(&objects);
        for object in objects {
            // Successive items often name the same few; another time does no harm.
            let mut lately = self.objects.iter().rev().take(8);
            if !lately.any(|known| Arc::ptr_eq(known, &object)) {
                self.objects.push(object);
            }
        }
    }

    /// Forgets everything after `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.held.truncate(mark.held);
        self.objects.truncate(mark.objects);
        self.waits = any_waits(&self.objects);
        self.count_held();
    }

    fn count_held(&mut self) {
        self.held_bytes = self.held.iter().map(|(_, block)| block.len()).sum();
    }

    /// Moves `place` behind the next `count` items, which have `arguments` each.
    pub(crate) fn pass(&self, place: &mut Place, count: usize, arguments: usize) {
        if self.width > 0 {
            place.bytes = (place.bytes + count * self.width).min(self.bytes.len());
            return;
        }
        for _ in 0..count * arguments {
            let varint::Read::Value(len, taken) = varint::read(&self.bytes[place.bytes..]) else {
                break;
            };
            place.bytes += taken;
            match self.held.get(place.held) {
                Some((position, _)) if *position == place.bytes => place.held += 1,
                _ => place.bytes += len as usize,
            }
        }
    }

    /// A copy of the next item behind `place`, with that many arguments, which is moved behind it; not a row.
    pub(crate) fn copy_item(&self, place: &mut Place, arguments: usize) -> Self {
        let mut start = place.bytes;
        let held = place.held;
        self.pass(place, 1, arguments);
        let mut copy = Vec::new();
        for (position, block) in &self.held[held..place.held] {
            copy.extend_from_slice(&self.bytes[start..*position]);
            copy.extend_from_slice(&block.bytes());
            start = *position;
        }
        copy.extend_from_slice(&self.bytes[start..place.bytes]);
        let mut copy = Self {
            width: self.width,
            bytes: copy,
            objects: self.objects.clone(),
            waits: self.waits,
            ..Self::default()
        };
        copy.leave_row();
        copy
    }

    /// Takes the first `count` items, which have `arguments` each, out.
    pub(crate) fn take_items(&mut self, count: usize, arguments: usize) -> Self {
        let mut end = Place::default();
        self.pass(&mut end, count, arguments);
        let mut taken = Self {
            width: self.width,
            held: self.held.drain(..end.held).collect(),
            bytes: self.bytes.drain(..end.bytes).collect(),
            held_bytes: 0,
            borrower: None,
            objects: self.objects.clone(),
            waits: self.waits,
        };
        for (place, _) in &mut self.held {
            *place -= end.bytes;
        }
        self.count_held();
        taken.count_held();
        taken
    }
}

fn any_waits(objects: &[Arc<Object>]) -> bool {
    objects.iter().any(|object| object.flags().waits)
}

//! Arrays in parts, each of which belongs to one task at a time.

#![expect(
    unsafe_code,
    reason = "the elements of a part are reached by a pointer"
)]

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::panicking;
use std::time::{Duration, Instant};

use serde::ser::{Error as _, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Plain;
use super::array::SharedArray;
use super::core::{Claim, Core, Patience};
use super::elements::view;
use super::error::ArrayError;
use crate::object::{self, Object};

/// A part of a [`SharedArray`], which belongs to nobody else: a `&mut [T]` at full speed.
///
/// It is passed on by passing it as an argument, as a result or through a channel, alone or inside of
/// other values; it is one of few things that are moved so and not copied. From
/// then on it belongs to who receives it, and the part that stays behind is of no use: it is empty. Dropping a part
/// gives it back to the array, and so does the death of the process that has it. If that died, or the
/// part was dropped by a panic, whoever locks the array next is told
/// ([`Poisoned`](crate::sync::LockError::Poisoned)), unless the task was tried again and that attempt did better.
///
/// A task that is tried again gets its part again, as the attempt before has left it, unless all the parts have
/// come back meanwhile and the array is whole.
///
/// ```
/// use parproc::{Pool, SharedArray, SharedPart, parallel};
///
/// #[parallel]
/// fn square(mut part: SharedPart<u64>) {
///     for number in part.iter_mut() {
///         *number *= *number;
///     }
/// }
///
/// let numbers = SharedArray::from_slice(&[1, 2, 3, 4, 5])?;
/// Pool::global()?.for_each(square, numbers.split(2)?)?;
/// assert_eq!(numbers.to_vec()?, [1, 4, 9, 16, 25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A part of which something was borrowed through `&part` cannot be passed on, since the borrow could still be
/// there: that is an error where it is encoded. The next borrow through `&mut part`
/// makes it movable again; [`close`](Self::close) is one.
#[must_use = "dropping it gives the part back to the array"]
pub struct SharedPart<T> {
    array: SharedArray<T>,
    claim: Claim,
    range: Range<usize>,
    /// See [`Here`].
    here: AtomicU64,
    /// The thread that made the handle was panicking then.
    panicking: bool,
}

/// Where the part is, as its handle knows it, in the lower two bits; above them the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    /// It belongs to this handle.
    Closed = 0,
    /// The same, and somebody may have borrowed from it.
    Open = 1,
    /// It went away in a message.
    Away = 2,
    /// A thread is about to change this.
    Busy = 3,
}

fn here_of(word: u64) -> (Here, u32) {
    let here = match word & 3 {
        0 => Here::Closed,
        1 => Here::Open,
        2 => Here::Away,
        _ => Here::Busy,
    };
    (here, (word >> 2) as u32)
}

fn word_of(here: Here, ticket: u32) -> u64 {
    u64::from(ticket) << 2 | here as u64
}

impl<T: Plain> SharedArray<T> {
    /// Splits the array into `parts` parts of one size, or of two that differ by 1.
    ///
    /// Until all of them have come back, the array itself cannot be used: operations on elements are
    /// [errors](ArrayError::Split), [`lock`](Self::lock) waits. Waits until nobody else uses the array.
    ///
    /// ```
    /// let array = parproc::SharedArray::from_slice(&[1, 2, 3, 4, 5])?;
    /// let mut parts = array.split(2)?;
    /// assert!(array.get(0).is_err());
    /// parts[1][0] = 40;
    /// assert_eq!(parts[1].range(), 3..5);
    /// drop(parts);
    /// assert_eq!(array.to_vec()?, [1, 2, 3, 40, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Parts`](ArrayError::Parts) unless `parts` is from 1 to 65,536 and at most the number of elements.
    /// [`Split`](ArrayError::Split) when the array is split already, [`Deadlock`](ArrayError::Deadlock) when this
    /// thread has its lock.
    pub fn split(&self, parts: usize) -> Result<Vec<SharedPart<T>>, ArrayError> {
        self.split_by(parts, 0)
    }

    /// Splits the array into parts of `size` elements, of which the last one may be shorter.
    ///
    /// # Errors
    /// As for [`split`](Self::split); an array without elements gives no parts.
    pub fn split_chunks(&self, size: usize) -> Result<Vec<SharedPart<T>>, ArrayError> {
        if self.is_empty() && size > 0 {
            return Ok(Vec::new());
        }
        self.split_by(
            self.len
                .checked_div(size)
                .map_or(0, |_| self.len.div_ceil(size)),
            size,
        )
    }

    fn split_by(&self, parts: usize, chunk: usize) -> Result<Vec<SharedPart<T>>, ArrayError> {
        let writing = self.core.write_briefly()?;
        let split = writing.split(parts, chunk)?;
        // The split is known to the array now: whatever happens, the parts are in handles that give
        // them back, or this process is dead.
        let part = |index| {
            let range = self.core.range(index, self.len)?;
            Some(SharedPart {
                array: self.clone(),
                claim: Claim { split, index },
                range,
                here: AtomicU64::new(word_of(Here::Closed, 0)),
                panicking: panicking(),
            })
        };
        Ok((0..parts).filter_map(part).collect())
    }

    /// How many parts are out: owned by living processes, or in messages of such; 0 if the array is whole.
    #[must_use]
    pub fn outstanding_parts(&self) -> usize {
        self.core.out()
    }

    /// Takes back the parts that are in messages which nobody has received, and says how many these were.
    ///
    /// That is what is left of a call that ended early: items that were not begun keep their parts.
    /// Whoever receives such a message afterwards gets an error.
    pub fn reclaim(&self) -> usize {
        self.core.reclaim()
    }

    /// Waits until all parts have come back; returns at once if the array is whole.
    ///
    /// # Errors
    /// [`Deadlock`](ArrayError::Deadlock) when this thread has the lock of the array.
    pub fn wait_for_parts(&self) -> Result<(), ArrayError> {
        self.core.write(Patience::Endless).map(drop)
    }

    /// Waits at most for `timeout` until all parts have come back.
    ///
    /// # Errors
    /// As for [`wait_for_parts`](Self::wait_for_parts); [`Split`](ArrayError::Split) or
    /// [`Busy`](ArrayError::Busy) when the time is over.
    pub fn wait_for_parts_timeout(&self, timeout: Duration) -> Result<(), ArrayError> {
        let deadline = Instant::now().checked_add(timeout);
        let patience = deadline.map_or(Patience::Endless, Patience::Until);
        self.core.write(patience).map(drop)
    }
}

impl<T: Plain> SharedPart<T> {
    /// Its place in the vector that [`split`](SharedArray::split) gave.
    #[must_use]
    pub fn index(&self) -> usize {
        self.claim.index
    }

    /// Where its elements are in the array.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// How many elements it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Whether it was passed on, so that it is not this handle's any more.
    ///
    /// It is again once it has come back and is used through this handle.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        matches!(here_of(self.here.load(SeqCst)).0, Here::Away)
    }

    /// Notes that nothing is borrowed from the part, so that it can be passed on.
    pub fn close(&mut self) {
        self.take(Here::Closed);
    }

    fn core(&self) -> &Core {
        &self.array.core
    }

    /// Makes the part this handle's, if it is or can be, in the state `wanted`, which is `Closed` only for who
    /// has `&mut self`.
    fn take(&self, wanted: Here) -> bool {
        loop {
            let word = self.here.load(SeqCst);
            let (here, ticket) = here_of(word);
            match here {
                Here::Busy => std::thread::yield_now(),
                here if here == wanted => return true,
                Here::Closed | Here::Open => {
                    if self.swap(word, word_of(wanted, ticket)) {
                        return true;
                    }
                }
                Here::Away => match self.come_back(word, wanted) {
                    Some(here) => return here,
                    None => continue,
                },
            }
        }
    }

    /// Makes the part this handle's again, if it has come back: the task that it was passed to is done. None
    /// if the handle is not in the state `away` any more.
    fn come_back(&self, away: u64, wanted: Here) -> Option<bool> {
        let (_, ticket) = here_of(away);
        if !self.swap(away, word_of(Here::Busy, ticket)) {
            return None;
        }
        let back = self.core().comes_back(self.claim, ticket);
        let here = if back { wanted } else { Here::Away };
        self.here.store(word_of(here, ticket), SeqCst);
        Some(back)
    }

    fn swap(&self, word: u64, new: u64) -> bool {
        let swapped = self.here.compare_exchange(word, new, SeqCst, SeqCst);
        swapped.is_ok()
    }

    /// Puts the part into a message, and gives the ticket for it.
    fn depart(&self) -> Result<u32, &'static str> {
        loop {
            let word = self.here.load(SeqCst);
            let (here, ticket) = here_of(word);
            match here {
                Here::Busy => std::thread::yield_now(),
                Here::Open => {
                    return Err(
                        "something was borrowed from this part of a shared array by `&part`; \
                         call `close` before it is passed on",
                    );
                }
                // The same value is encoded again, for instance to find out why that failed.
                Here::Away if self.core().is_under_way(self.claim, ticket) => return Ok(ticket),
                // Not by `take`, which would close what another thread has opened meanwhile.
                Here::Away => {
                    if self.come_back(word, Here::Closed) == Some(false) {
                        return Err("this part of a shared array was passed on already");
                    }
                }
                Here::Closed => {
                    if self.swap(word, word_of(Here::Busy, ticket)) {
                        let departed = self.core().depart(self.claim, ticket);
                        let ticket = departed.unwrap_or(ticket);
                        self.here.store(word_of(Here::Away, ticket), SeqCst);
                        return departed.ok_or("this part of a shared array was taken back");
                    }
                }
            }
        }
    }

    /// The elements, for who has made sure that they are here.
    ///
    /// # Safety
    /// The part belongs to this handle, and nobody has borrowed from it what `&mut` excludes.
    unsafe fn bits(&self) -> NonNull<[T::Bits]> {
        let start = self.array.core.elements().cast::<T::Bits>();
        // SAFETY: the range is inside of the array.
        let start = unsafe { start.add(self.range.start) };
        NonNull::slice_from_raw_parts(start, self.range.len())
    }
}

impl<T: Plain> Deref for SharedPart<T> {
    type Target = [T];

    /// The elements; none if the part was passed on.
    #[inline]
    fn deref(&self) -> &[T] {
        let open = self.here.load(SeqCst) & 3 == Here::Open as u64;
        if !open && !self.take(Here::Open) {
            return &[];
        }
        // SAFETY: the part is this handle's as long as it is open, which only `&mut self` ends.
        let bits = unsafe { self.bits() };
        let values = NonNull::slice_from_raw_parts(bits.cast::<T>(), bits.len());
        // SAFETY: live, borrowed from `self`, and made valid when the part came to this handle.
        unsafe { values.as_ref() }
    }
}

impl<T: Plain> DerefMut for SharedPart<T> {
    /// The elements; none if the part was passed on.
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let closed = *self.here.get_mut() & 3 == Here::Closed as u64;
        if !closed && !self.take(Here::Closed) {
            return &mut [];
        }
        // SAFETY: the part is this handle's, and the borrow of `self` keeps it from being passed on.
        let bits = unsafe { self.bits() };
        let values = NonNull::slice_from_raw_parts(bits.cast::<T>(), bits.len());
        // SAFETY: live, borrowed from `self`, and made valid when the part came to this handle.
        unsafe { &mut *values.as_ptr() }
    }
}

// Other processes can see it at any time, so a panic shows nothing that is not seen anyway.
impl<T> UnwindSafe for SharedPart<T> {}
impl<T> RefUnwindSafe for SharedPart<T> {}

impl<T> Drop for SharedPart<T> {
    fn drop(&mut self) {
        let (here, ticket) = here_of(*self.here.get_mut());
        if here != Here::Away {
            let panicked = !self.panicking && panicking();
            self.array.core.give_back(self.claim, ticket, panicked);
        }
    }
}

impl<T: Plain> fmt::Debug for SharedPart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPart")
            .field("index", &self.claim.index)
            .field("range", &self.range)
            .field("moved", &self.is_moved())
            .finish_non_exhaustive()
    }
}

/// The object of an array, as a value.
struct Carried<'a>(&'a Arc<Object>);

impl Serialize for Carried<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object::serialize(self.0, serializer)
    }
}

/// A part on its way.
#[derive(Deserialize)]
#[serde(rename = "SharedPart")]
struct Wire {
    #[serde(with = "crate::object")]
    object: Arc<Object>,
    len: u64,
    split: u64,
    index: u64,
    ticket: u32,
}

impl<T: Plain> Serialize for SharedPart<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("SharedPart", 5)?;
        // First what can fail: then the part stays here.
        fields.serialize_field("object", &Carried(&self.array.object))?;
        fields.serialize_field("len", &(self.array.len as u64))?;
        fields.serialize_field("split", &self.claim.split)?;
        fields.serialize_field("index", &(self.claim.index as u64))?;
        let ticket = self.depart().map_err(S::Error::custom)?;
        fields.serialize_field("ticket", &ticket)?;
        fields.end()
    }
}

impl<'de, T: Plain> Deserialize<'de> for SharedPart<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let wire = Wire::deserialize(deserializer)?;
        let number = |number: u64| usize::try_from(number).map_err(D::Error::custom);
        let array =
            SharedArray::of_object(wire.object, number(wire.len)?).map_err(Error::custom)?;
        let claim = Claim {
            split: wire.split,
            index: number(wire.index)?,
        };
        array
            .core
            .claim(claim, wire.ticket)
            .map_err(Error::custom)?;
        let range = array.core.range(claim.index, array.len);
        let mut part = Self {
            range: range.clone().unwrap_or_default(),
            claim,
            here: AtomicU64::new(word_of(Here::Closed, wire.ticket)),
            panicking: panicking(),
            array,
        };
        if range.is_none() {
            return Err(Error::custom("a part of a shared array is outside of it"));
        }
        // SAFETY: it is this handle's alone since `claim`.
        let mut bits = unsafe { part.bits() };
        // SAFETY: as above; the elements are mapped as long as the array.
        view::<T>(unsafe { bits.as_mut() });
        part.close();
        Ok(part)
    }
}

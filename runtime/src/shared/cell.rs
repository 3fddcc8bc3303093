//! Single values that several processes write.

#![expect(unsafe_code, reason = "a value in shared memory is used as an atomic")]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Plain;
use super::atomic::{Place, is_atomic};
use super::double::{Change, Double};
use super::number::{Bits, Count, Integer, Number};
use super::plain::value_of;
use crate::object::{Flags, Object, PAYLOAD, Tag};

/// Bytes of a cell whose value is an atomic: it has a cache line for itself.
const LINE: usize = 64;

/// A value in memory that several processes read and write.
///
/// It is made once; [clones](Clone) are handles of the same value, and so is what a `#[parallel]` function
/// gets that is called with one. The memory goes with the last handle, in whatever way processes end. The
/// processes of one machine share it: in a launch on [several](crate::guide::cluster), items whose arguments name it
/// run on that of the program.
///
/// Values of 1, 2, 4 and 8 bytes are atomics of the processor, with the ordering that
/// [`SeqCst`](std::sync::atomic::Ordering::SeqCst) names. Larger ones are kept twice: readers never wait, writers
/// take turns, and one that is killed in the middle leaves the value as it was. Nobody ever sees a
/// mixture of two values.
///
/// ```
/// use parproc::{SharedCell, par_map, parallel};
///
/// #[parallel]
/// fn count(total: SharedCell<u64>, n: u64) {
///     total.fetch_add(n);
/// }
///
/// let total = SharedCell::new(0)?;
/// par_map(count, (1..=10).map(|n| (total.clone(), n)))?;
/// assert_eq!(total.load(), 55);
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire", bound = "T: Plain")]
pub struct SharedCell<T> {
    object: Arc<Object>,
    /// Where an atomic is.
    start: NonNull<T>,
    /// None for an atomic.
    double: Option<Arc<Double>>,
}

// SAFETY: the value is used as an atomic, or through `double`, and mapped as long as the object.
unsafe impl<T: Plain> Send for SharedCell<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for SharedCell<T> {}

/// A cell on its way.
#[derive(Serialize, Deserialize)]
struct Wire(#[serde(with = "crate::object")] Arc<Object>);

// The bound is at the function, where the compiler explains it.
impl<T> SharedCell<T> {
    /// A cell with that value.
    ///
    /// # Errors
    /// When the system refuses the memory, or the process has as many open files as it may.
    pub fn new(value: T) -> io::Result<Self>
    where
        T: Plain,
    {
        let flags = Flags {
            keep: true,
            waits: false,
        };
        let object = Object::memory(Tag::of::<T>("cell"), Self::bytes(), flags)?;
        let cell = Self::of_object(object)?;
        cell.store(value);
        Ok(cell)
    }
}

impl<T: Plain> SharedCell<T> {
    fn bytes() -> usize {
        match is_atomic::<T>() {
            true => LINE,
            false => Double::bytes(size_of::<T>()),
        }
    }

    fn of_object(object: Arc<Object>) -> io::Result<Self> {
        object.check(Tag::of::<T>("cell"))?;
        if object.len() != Self::bytes() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let double = match is_atomic::<T>() {
            true => None,
            false => {
                let double = object.local(|| {
                    let double = Double::new(object.mapping(), size_of::<T>());
                    double.check()?;
                    Ok(Arc::new(double))
                })?;
                Some(Arc::clone(double))
            }
        };
        Ok(Self {
            start: object.mapping().at(PAYLOAD, LINE).cast(),
            object,
            double,
        })
    }

    #[inline]
    fn place(&self) -> Place<T> {
        // SAFETY: it begins on a line, is mapped as long as the handle lives, and used as a place only.
        unsafe { Place::new(self.start) }
    }

    /// The value.
    #[must_use]
    #[inline]
    pub fn load(&self) -> T {
        let Some(double) = &self.double else {
            return self.place().load();
        };
        let mut bits = MaybeUninit::<T::Bits>::uninit();
        double.read(bytes_of(&mut bits));
        // SAFETY: all of its bytes were written, and any bytes are a pattern of `T`.
        value_of::<T>(unsafe { bits.assume_init() })
    }

    /// Puts in another value.
    #[inline]
    pub fn store(&self, value: T) {
        match &self.double {
            None => self.place().store(value),
            Some(double) => change(double, |current| {
                *current = value;
                Change::Put(())
            }),
        }
    }

    /// Puts in another value, and gives the one before.
    #[inline]
    pub fn swap(&self, value: T) -> T {
        match &self.double {
            None => self.place().swap(value),
            Some(double) => change(double, |current| {
                Change::Put(std::mem::replace(current, value))
            }),
        }
    }

    /// Puts in `new` if the value is `current`, compared byte by byte.
    ///
    /// ```
    /// let cell = parproc::SharedCell::new([1, 2, 3])?;
    /// assert_eq!(cell.compare_exchange([1, 2, 3], [4, 5, 6]), Ok([1, 2, 3]));
    /// assert_eq!(cell.compare_exchange([1, 2, 3], [7, 8, 9]), Err([4, 5, 6]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The value, when it is another one.
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        match &self.double {
            None => self.place().compare_exchange(current, new),
            Some(double) => change(double, |found| {
                if bytemuck::bytes_of(found) == bytemuck::bytes_of(&current) {
                    Change::Put(Ok(std::mem::replace(found, new)))
                } else {
                    Change::Keep(Err(*found))
                }
            }),
        }
    }

    /// Puts in what `change` makes of the value, and gives the value before.
    ///
    /// `change` is called again when somebody else changes the value meanwhile.
    ///
    /// ```
    /// let mean = parproc::SharedCell::new([0.0, 0.0])?;
    /// mean.update(|[sum, count]: [f64; 2]| [sum + 2.5, count + 1.0]);
    /// assert_eq!(mean.load(), [2.5, 1.0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn update(&self, mut change: impl FnMut(T) -> T) -> T {
        let mut before = self.load();
        loop {
            match self.compare_exchange(before, change(before)) {
                Ok(before) => return before,
                Err(found) => before = found,
            }
        }
    }
}

/// The bytes of a value that is not there yet.
fn bytes_of<T>(value: &mut MaybeUninit<T>) -> &mut [MaybeUninit<u8>] {
    let start = NonNull::from(value).cast();
    let mut bytes = NonNull::slice_from_raw_parts(start, size_of::<T>());
    // SAFETY: the memory of the value, borrowed as long as the result, to which no byte is wrong.
    unsafe { bytes.as_mut() }
}

/// Changes a value that is kept twice.
fn change<T: Plain, R>(double: &Double, change: impl FnOnce(&mut T) -> Change<R>) -> R {
    let mut bits = MaybeUninit::<T::Bits>::uninit();
    double.change(bytes_of(&mut bits), |bytes| {
        let mut value = value_of::<T>(bytemuck::pod_read_unaligned(bytes));
        let result = change(&mut value);
        bytes.copy_from_slice(bytemuck::bytes_of(&value));
        result
    })
}

/// Operations that change a number in place and give what it was before; integers wrap around.
impl<T: Number> SharedCell<T> {
    /// Adds to the number.
    #[inline]
    pub fn fetch_add(&self, value: T) -> T {
        Count::add(self.place(), value)
    }

    /// Subtracts from the number.
    #[inline]
    pub fn fetch_sub(&self, value: T) -> T {
        Count::sub(self.place(), value)
    }

    /// Puts in the smaller of the number and `value`.
    #[inline]
    pub fn fetch_min(&self, value: T) -> T {
        Count::min(self.place(), value)
    }

    /// Puts in the larger of the number and `value`.
    #[inline]
    pub fn fetch_max(&self, value: T) -> T {
        Count::max(self.place(), value)
    }
}

/// Operations on the bits of an integer, which give what it was before.
impl<T: Integer> SharedCell<T> {
    /// Keeps the bits that `value` has, too.
    #[inline]
    pub fn fetch_and(&self, value: T) -> T {
        Bits::and(self.place(), value)
    }

    /// Sets the bits that `value` has.
    #[inline]
    pub fn fetch_or(&self, value: T) -> T {
        Bits::or(self.place(), value)
    }

    /// Flips the bits that `value` has.
    #[inline]
    pub fn fetch_xor(&self, value: T) -> T {
        Bits::xor(self.place(), value)
    }
}

// Other processes can see it at any time, so a panic shows nothing that is not seen anyway.
impl<T> UnwindSafe for SharedCell<T> {}
impl<T> RefUnwindSafe for SharedCell<T> {}

impl<T: Plain> Clone for SharedCell<T> {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            start: self.start,
            double: self.double.clone(),
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for SharedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedCell").field(&self.load()).finish()
    }
}

impl<T: Plain> From<SharedCell<T>> for Wire {
    fn from(cell: SharedCell<T>) -> Self {
        Self(cell.object)
    }
}

impl<T: Plain> TryFrom<Wire> for SharedCell<T> {
    type Error = io::Error;

    fn try_from(wire: Wire) -> io::Result<Self> {
        Self::of_object(wire.0)
    }
}

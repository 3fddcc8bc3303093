//! An array kept open for operations on single elements.

#![expect(unsafe_code, reason = "elements in shared memory are used as atomics")]

use std::fmt;

use super::Plain;
use super::array::SharedArray;
use super::atomic::{Place, is_atomic};
use super::core::Opened;
use super::error::ArrayError;
use super::number::{Bits, Count, Integer, Number};

/// The elements of an array as atomics, from [`SharedArray::atomics`].
///
/// While it lives nobody gets the lock of the array, or splits it. Other processes may wait meanwhile to use the
/// array at all, behind one that wants the lock: who keeps this open must not wait for them.
#[must_use = "when it is dropped, others can lock the array"]
pub struct Atomics<'a, T: Plain> {
    array: &'a SharedArray<T>,
    _opened: Opened<'a>,
}

impl<'a, T: Plain> Atomics<'a, T> {
    pub(super) fn new(array: &'a SharedArray<T>, opened: Opened<'a>) -> Self {
        const {
            assert!(
                is_atomic::<T>(),
                "only elements of 1, 2, 4 or 8 bytes are atomics"
            );
        }
        Self {
            array,
            _opened: opened,
        }
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.array.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.array.len == 0
    }

    #[inline]
    fn place(&self, index: usize) -> Result<Place<T>, ArrayError> {
        self.array.check_index(index)?;
        Ok(self.array.place(index))
    }

    /// The element at `index`.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn get(&self, index: usize) -> Result<T, ArrayError> {
        Ok(self.place(index)?.load())
    }

    /// Puts `value` at `index`.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn set(&self, index: usize, value: T) -> Result<(), ArrayError> {
        self.place(index)?.store(value);
        Ok(())
    }

    /// Puts `value` at `index`, and gives what was there.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn swap(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(self.place(index)?.swap(value))
    }

    /// Puts `new` at `index` if `current` is there, compared byte by byte; the inner result has what was there.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn compare_exchange(
        &self,
        index: usize,
        current: T,
        new: T,
    ) -> Result<Result<T, T>, ArrayError> {
        Ok(self.place(index)?.compare_exchange(current, new))
    }

    /// Puts what `change` makes of the element at `index` in its place, and gives what was there.
    ///
    /// `change` is called again when somebody else changes the element meanwhile.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn update(&self, index: usize, change: impl FnMut(T) -> T) -> Result<T, ArrayError> {
        Ok(self.place(index)?.update(change))
    }
}

/// Operations that change a number in place and give what it was before; integers wrap around.
impl<T: Number> Atomics<'_, T> {
    /// Adds to the element at `index`.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_add(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Count::add(self.place(index)?, value))
    }

    /// Subtracts from the element at `index`.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_sub(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Count::sub(self.place(index)?, value))
    }

    /// Puts the smaller of the element at `index` and `value` there.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_min(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Count::min(self.place(index)?, value))
    }

    /// Puts the larger of the element at `index` and `value` there.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_max(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Count::max(self.place(index)?, value))
    }
}

/// Operations on the bits of an integer, which give what it was before.
impl<T: Integer> Atomics<'_, T> {
    /// Keeps the bits of the element at `index` that `value` has, too.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_and(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Bits::and(self.place(index)?, value))
    }

    /// Sets the bits of the element at `index` that `value` has.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_or(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Bits::or(self.place(index)?, value))
    }

    /// Flips the bits of the element at `index` that `value` has.
    ///
    /// # Errors
    /// When the index is out of range.
    #[inline]
    pub fn fetch_xor(&self, index: usize, value: T) -> Result<T, ArrayError> {
        Ok(Bits::xor(self.place(index)?, value))
    }

    /// The elements as the atomics of the standard library, which have more operations and all the orderings.
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let counts = parproc::SharedArray::<u32>::new(8)?;
    /// counts.atomics()?.as_slice()[3].fetch_add(5, Relaxed);
    /// assert_eq!(counts.get(3)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn as_slice(&self) -> &[T::Atomic] {
        const {
            assert!(size_of::<T>() == size_of::<T::Atomic>());
        }
        let start = self.array.core.elements().cast::<T::Atomic>();
        // SAFETY: as many elements of this size are mapped as long as the array lives, and used as
        // such atomics only as long as `self` does; they begin on a cache line.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.array.len) }
    }
}

impl<T: Plain> fmt::Debug for Atomics<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atomics")
            .field("array", self.array)
            .finish_non_exhaustive()
    }
}

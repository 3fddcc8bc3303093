//! Operations on single elements of an array, and on all of them at once.

#![expect(
    unsafe_code,
    reason = "elements in shared memory are reached by pointers"
)]

use std::ptr::NonNull;

use super::array::SharedArray;
use super::atomic::{Place, is_atomic};
use super::atomics::Atomics;
use super::core::Writing;
use super::error::ArrayError;
use super::number::{Bits, Count, Integer, Number};
use super::plain::repair;
use super::{Plain, plain};

/// Operations on one element, or on all at once.
///
/// # Errors
///
/// All of them fail when the index is [out of range](ArrayError::OutOfRange), when [parts](Self::split)
/// of the array are [out](ArrayError::Split), and when this thread holds the [lock](Self::lock).
impl<T: Plain> SharedArray<T> {
    /// The element at `index`.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn get(&self, index: usize) -> Result<T, ArrayError> {
        self.element(index, Place::load, |element| *element)
    }

    /// Puts `value` at `index`.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn set(&self, index: usize, value: T) -> Result<(), ArrayError> {
        self.element(
            index,
            |place| place.store(value),
            |element| *element = value,
        )
    }

    /// Puts `value` at `index`, and gives what was there.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn swap(&self, index: usize, value: T) -> Result<T, ArrayError> {
        let atomically = |place: Place<T>| place.swap(value);
        self.element(index, atomically, |element| {
            std::mem::replace(element, value)
        })
    }

    /// Puts `new` at `index` if `current` is there, compared byte by byte; the inner result has what was there.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn compare_exchange(
        &self,
        index: usize,
        current: T,
        new: T,
    ) -> Result<Result<T, T>, ArrayError> {
        let atomically = |place: Place<T>| place.compare_exchange(current, new);
        self.element(index, atomically, |element| {
            let same = bytemuck::bytes_of(element) == bytemuck::bytes_of(&current);
            if same {
                Ok(std::mem::replace(element, new))
            } else {
                Err(*element)
            }
        })
    }

    /// Puts what `change` makes of the element at `index` in its place, and gives what was there.
    ///
    /// `change` is called again when somebody else changes the element meanwhile.
    ///
    /// ```
    /// let array = parproc::SharedArray::from_slice(&[[1.0, 2.0, 3.0]])?;
    /// assert_eq!(array.update(0, |[x, y, z]| [y, z, x])?, [1.0, 2.0, 3.0]);
    /// assert_eq!(array.get(0)?, [2.0, 3.0, 1.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [above](#errors).
    pub fn update(&self, index: usize, mut change: impl FnMut(T) -> T) -> Result<T, ArrayError> {
        let mut before = self.get(index)?;
        loop {
            match self.compare_exchange(index, before, change(before))? {
                Ok(before) => return Ok(before),
                Err(found) => before = found,
            }
        }
    }

    /// Keeps the array open for operations on elements, which then cost what they cost inside of one process.
    ///
    /// Each operation of the array itself makes sure that nobody holds the lock and no part is out;
    /// here that is done once. Who wants the lock waits until the guard is dropped: a
    /// thread that has one and calls [`lock`](Self::lock) or operations on all elements waits for ever. Operations on
    /// single elements are possible meanwhile, in all threads of the process; other processes may wait
    /// behind one that wants the lock.
    ///
    /// ```
    /// let counts = parproc::SharedArray::<u64>::new(256)?;
    /// let counting = counts.atomics()?;
    /// for byte in b"some text" {
    ///     counting.fetch_add(usize::from(*byte), 1)?;
    /// }
    /// assert_eq!(counting.get(usize::from(b'e'))?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [above](#errors).
    pub fn atomics(&self) -> Result<Atomics<'_, T>, ArrayError> {
        Ok(Atomics::new(self, self.core.open()?))
    }

    /// A copy of all elements, as they are at one moment.
    ///
    /// # Errors
    /// See [above](#errors).
    pub fn to_vec(&self) -> Result<Vec<T>, ArrayError> {
        let mut writing = self.core.write_briefly()?;
        Ok(self.slice(&mut writing).to_vec())
    }

    /// Copies elements from `start` on to all of `slice`, as they are at one moment.
    ///
    /// # Errors
    /// See [above](#errors).
    pub fn copy_to_slice(&self, start: usize, slice: &mut [T]) -> Result<(), ArrayError> {
        self.check_range(start, slice.len())?;
        let mut writing = self.core.write_briefly()?;
        slice.copy_from_slice(&self.slice(&mut writing)[start..start + slice.len()]);
        Ok(())
    }

    /// Copies `slice` to the elements from `start` on; others see none of it or all.
    ///
    /// If the process is killed meanwhile, some of it: whoever [locks](Self::lock) the array next is told.
    ///
    /// ```
    /// use parproc::SharedArray;
    /// use parproc::shared::ArrayError;
    ///
    /// let array = SharedArray::from_slice(&[1, 2, 3, 4])?;
    /// array.copy_from_slice(1, &[20, 30])?;
    /// assert_eq!(array.to_vec()?, [1, 20, 30, 4]);
    /// assert!(matches!(array.get(4), Err(ArrayError::OutOfRange { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [above](#errors).
    pub fn copy_from_slice(&self, start: usize, slice: &[T]) -> Result<(), ArrayError> {
        self.check_range(start, slice.len())?;
        let mut writing = Changing::new(self.core.write_briefly()?);
        self.slice(&mut writing.0)[start..start + slice.len()].copy_from_slice(slice);
        Ok(())
    }

    /// Puts `value` everywhere.
    ///
    /// # Errors
    /// See [above](#errors).
    pub fn fill(&self, value: T) -> Result<(), ArrayError> {
        let mut writing = Changing::new(self.core.write_briefly()?);
        self.slice(&mut writing.0).fill(value);
        Ok(())
    }

    fn check_range(&self, start: usize, len: usize) -> Result<(), ArrayError> {
        match start.checked_add(len).filter(|end| *end <= self.len) {
            Some(_) => Ok(()),
            None => Err(ArrayError::OutOfRange {
                index: start.saturating_add(len),
                len: self.len,
            }),
        }
    }

    pub(super) fn check_index(&self, index: usize) -> Result<(), ArrayError> {
        if index < self.len {
            return Ok(());
        }
        let len = self.len;
        Err(ArrayError::OutOfRange { index, len })
    }

    /// Does something with an element: as an atomic if it can be one, else alone.
    #[inline]
    fn element<R>(
        &self,
        index: usize,
        atomically: impl FnOnce(Place<T>) -> R,
        alone: impl FnOnce(&mut T) -> R,
    ) -> Result<R, ArrayError> {
        self.check_index(index)?;
        if is_atomic::<T>() {
            let _reading = self.core.read()?;
            return Ok(atomically(self.place(index)));
        }
        let mut writing = Changing::new(self.core.write_briefly()?);
        Ok(alone(&mut self.slice(&mut writing.0)[index]))
    }

    /// The place of an element whose index was checked.
    #[inline]
    pub(super) fn place(&self, index: usize) -> Place<T> {
        debug_assert!(index < self.len);
        // SAFETY: inside of the elements, since the index is.
        let element = unsafe { self.core.elements().cast::<T>().add(index) };
        // SAFETY: it is mapped as long as `self.core` lives; it is aligned to its size since the
        // elements begin on a line; and who may use it at the same time does so through places.
        unsafe { Place::new(element) }
    }

    /// All elements, for who has them alone.
    pub(super) fn slice<'a>(&self, writing: &'a mut Writing<'_>) -> &'a mut [T] {
        debug_assert!(std::ptr::eq(writing.core(), &raw const *self.core));
        let start = self.core.elements().cast();
        // SAFETY: the elements are mapped and nobody else uses them as long as `writing` lives.
        let bits = unsafe { NonNull::slice_from_raw_parts(start, self.len).as_mut() };
        view(bits)
    }
}

/// A change that is told to the next holder of the lock if this process dies in the middle.
struct Changing<'a>(Writing<'a>);

impl<'a> Changing<'a> {
    fn new(writing: Writing<'a>) -> Self {
        writing.begin_guard();
        Self(writing)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.end_guard(false);
    }
}

/// The values of bytes that others have written.
pub(super) fn view<T: Plain>(bits: &mut [T::Bits]) -> &mut [T] {
    repair::<T>(bits);
    debug_assert!(plain::all_valid::<T>(bits));
    let start = NonNull::from(bits);
    let slice = NonNull::slice_from_raw_parts(start.cast::<T>(), start.len());
    // SAFETY: a `T` has the layout of its pattern, and all of them are valid now; the memory is
    // borrowed as long as the result.
    unsafe { &mut *slice.as_ptr() }
}

/// Operations that change a number in place and give what it was before; integers wrap around.
impl<T: Number> SharedArray<T> {
    /// Adds to the element at `index`.
    ///
    /// ```
    /// let array = parproc::SharedArray::from_slice(&[1_u32, 2, 3])?;
    /// assert_eq!(array.fetch_add(2, 10)?, 3);
    /// assert_eq!(array.to_vec()?, [1, 2, 13]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_add(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Count::add(place, value))
    }

    /// Subtracts from the element at `index`.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_sub(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Count::sub(place, value))
    }

    /// Puts the smaller of the element at `index` and `value` there.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_min(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Count::min(place, value))
    }

    /// Puts the larger of the element at `index` and `value` there.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_max(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Count::max(place, value))
    }

    #[inline]
    fn count(&self, index: usize, change: impl FnOnce(Place<T>) -> T) -> Result<T, ArrayError> {
        self.check_index(index)?;
        let _reading = self.core.read()?;
        Ok(change(self.place(index)))
    }
}

/// Operations on the bits of an integer, which give what it was before.
impl<T: Integer> SharedArray<T> {
    /// Keeps the bits of the element at `index` that `value` has, too.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_and(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Bits::and(place, value))
    }

    /// Sets the bits of the element at `index` that `value` has.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_or(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Bits::or(place, value))
    }

    /// Flips the bits of the element at `index` that `value` has.
    ///
    /// # Errors
    /// See [above](#errors).
    #[inline]
    pub fn fetch_xor(&self, index: usize, value: T) -> Result<T, ArrayError> {
        self.count(index, |place| Bits::xor(place, value))
    }
}

//! Single elements of shared memory, read and written whole.

#![expect(
    unsafe_code,
    reason = "an element in shared memory is used as an atomic"
)]

use std::mem::transmute_copy;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::SeqCst};

use super::plain::{Plain, value_of};

/// Whether the processor reads and writes a `T` whole, so that it needs no lock.
pub(super) const fn is_atomic<T>() -> bool {
    matches!(size_of::<T>(), 1 | 2 | 4 | 8)
}

/// Runs `$body` with `$Atomic` and `$Bits` standing for the types of the size of `$T`; `$otherwise` if none has.
macro_rules! by_size {
    ($T:ty, $Atomic:ident, $Bits:ident => $body:expr) => {
        match size_of::<$T>() {
            1 => by_size!(@ $Atomic = AtomicU8, $Bits = u8, $body),
            2 => by_size!(@ $Atomic = AtomicU16, $Bits = u16, $body),
            4 => by_size!(@ $Atomic = AtomicU32, $Bits = u32, $body),
            8 => by_size!(@ $Atomic = AtomicU64, $Bits = u64, $body),
            _ => unreachable!("only elements of the size of an atomic get here"),
        }
    };
    (@ $Atomic:ident = $atomic:ty, $Bits:ident = $bits:ty, $body:expr) => {{
        type $Atomic = $atomic;
        type $Bits = $bits;
        $body
    }};
}

/// The place of a `T` of which [`is_atomic`] is true.
///
/// Its bytes are live for as long as the place is used, aligned to the size of `T`, and used as
/// atomics of this size by everybody who does not own them alone.
#[derive(Debug)]
#[expect(unnameable_types, reason = "for a trait that nobody else implements")]
pub struct Place<T> {
    start: NonNull<T>,
}

impl<T> Clone for Place<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Place<T> {}

impl<T: Plain> Place<T> {
    /// # Safety
    /// What the type says about the place holds.
    #[inline]
    pub(super) unsafe fn new(start: NonNull<T>) -> Self {
        debug_assert!(start.as_ptr().cast::<u8>().align_offset(size_of::<T>()) == 0);
        Self { start }
    }

    /// The place as an atomic of the size of `T`.
    ///
    /// # Safety
    /// `A` is an atomic of the size of `T`, and the place lives as long as the reference.
    #[inline]
    pub(super) unsafe fn atomic<'a, A>(self) -> &'a A {
        debug_assert!(size_of::<A>() == size_of::<T>());
        // SAFETY: live and aligned by the rules of a place; atomics have no invalid patterns.
        unsafe { self.start.cast::<A>().as_ref() }
    }

    #[inline]
    pub(super) fn load(self) -> T {
        by_size!(T, Atomic, Bits => {
            // SAFETY: of the right size, and gone before the place is.
            let bits: Bits = unsafe { self.atomic::<Atomic>() }.load(SeqCst);
            // SAFETY: the sizes are the same, and a pattern of `T` can be any bits.
            value_of::<T>(unsafe { transmute_copy::<Bits, T::Bits>(&bits) })
        })
    }

    #[inline]
    pub(super) fn store(self, value: T) {
        by_size!(T, Atomic, Bits => {
            // SAFETY: the sizes are the same, and a `T` has no uninitialised bytes.
            let bits = unsafe { transmute_copy::<T, Bits>(&value) };
            // SAFETY: of the right size, and gone before the place is.
            unsafe { self.atomic::<Atomic>() }.store(bits, SeqCst);
        });
    }

    #[inline]
    pub(super) fn swap(self, value: T) -> T {
        by_size!(T, Atomic, Bits => {
            // SAFETY: the sizes are the same, and a `T` has no uninitialised bytes.
            let bits = unsafe { transmute_copy::<T, Bits>(&value) };
            // SAFETY: of the right size, and gone before the place is.
            let before: Bits = unsafe { self.atomic::<Atomic>() }.swap(bits, SeqCst);
            // SAFETY: the sizes are the same, and a pattern of `T` can be any bits.
            value_of::<T>(unsafe { transmute_copy::<Bits, T::Bits>(&before) })
        })
    }

    /// Puts `new` in the place of `current`; values are the same when their bytes are.
    #[inline]
    pub(super) fn compare_exchange(self, current: T, new: T) -> Result<T, T> {
        by_size!(T, Atomic, Bits => {
            // SAFETY: the sizes are the same, and a `T` has no uninitialised bytes.
            let wanted = unsafe { transmute_copy::<T, Bits>(&current) };
            // SAFETY: as above.
            let new = unsafe { transmute_copy::<T, Bits>(&new) };
            // SAFETY: of the right size, and gone before the place is.
            let atomic = unsafe { self.atomic::<Atomic>() };
            let mut expected = wanted;
            loop {
                let Err(found) = atomic.compare_exchange(expected, new, SeqCst, SeqCst) else {
                    return Ok(current);
                };
                // SAFETY: the sizes are the same, and a pattern of `T` can be any bits.
                let value = value_of::<T>(unsafe { transmute_copy::<Bits, T::Bits>(&found) });
                // SAFETY: the sizes are the same, and a `T` has no uninitialised bytes.
                let meant = unsafe { transmute_copy::<T, Bits>(&value) };
                if meant != wanted {
                    return Err(value);
                }
                // Another pattern of the same value, a `bool` that somebody scribbled over.
                expected = found;
            }
        })
    }

    /// Puts in what `change` makes of the value, until nobody came in between.
    #[inline]
    pub(super) fn update(self, mut change: impl FnMut(T) -> T) -> T {
        let mut before = self.load();
        loop {
            match self.compare_exchange(before, change(before)) {
                Ok(before) => return before,
                Err(found) => before = found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<T: Plain>(word: &AtomicU64) -> Place<T> {
        let start = NonNull::from(word).cast();
        // SAFETY: it is the start of an aligned word, which the tests use as atomics only.
        unsafe { Place::new(start) }
    }

    #[test]
    fn every_size_is_read_and_written_whole() {
        let word = AtomicU64::new(0);
        place::<u64>(&word).store(u64::MAX);
        assert_eq!(place::<u8>(&word).swap(1), 255);
        place::<[u8; 2]>(&word).store([7, 8]);
        assert_eq!(place::<[u8; 4]>(&word).load(), [7, 8, 255, 255]);
        place::<f32>(&word).store(1.5);
        assert_eq!(place::<f32>(&word).update(|x| 2.0 * x), 1.5);
        assert_eq!(place::<f32>(&word).load(), 3.0);
        assert_eq!(place::<f32>(&word).compare_exchange(3.0, 4.0), Ok(3.0));
        assert_eq!(place::<f32>(&word).compare_exchange(3.0, 5.0), Err(4.0));
        assert_eq!(place::<u64>(&word).load() >> 32, u64::from(u32::MAX));
    }

    #[test]
    fn any_byte_is_a_bool() {
        let word = AtomicU64::new(0x80);
        assert!(place::<bool>(&word).load());
        assert_eq!(
            place::<bool>(&word).compare_exchange(false, true),
            Err(true)
        );
        assert_eq!(place::<bool>(&word).compare_exchange(true, false), Ok(true));
        assert_eq!(place::<u8>(&word).load(), 0);
    }
}

//! The value that a lock protects, in shared memory.

#![expect(unsafe_code, reason = "references to shared memory are made")]

use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use crate::shared::{self, Plain};
use crate::sys::Mapping;

/// A place for a `T`, in a mapping that whoever has this keeps.
#[derive(Debug)]
pub(super) struct Value<T>(NonNull<T>);

// SAFETY: the place belongs to the process; who reaches into it is settled by a lock.
unsafe impl<T: Plain> Send for Value<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Value<T> {}

impl<T: Plain> Value<T> {
    /// # Safety
    /// `offset` is a multiple of the alignment of `T`. The value is used as long as the mapping lives
    /// only, and the bytes are used for nothing else.
    pub(super) unsafe fn at(mapping: &Arc<Mapping>, offset: usize) -> Self {
        Self(mapping.at(offset, size_of::<T>()).cast())
    }

    /// The place; what stands there may be no `T` until it was [repaired](Self::repair).
    #[inline]
    pub(super) fn get(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// # Safety
    /// Nobody else reaches into the place.
    #[inline]
    pub(super) unsafe fn set(&self, value: T) {
        // SAFETY: in bounds and aligned; nobody else reaches into it, as the caller promises.
        unsafe { self.0.write(value) };
    }

    /// Makes the bytes a valid `T`, whatever they are.
    ///
    /// # Safety
    /// Nobody else reaches into the place.
    #[inline]
    pub(super) unsafe fn repair(&self) {
        // SAFETY: `Bits` has the layout of `T` and any bytes are one; nobody else reaches into the
        // place, as the caller promises.
        shared::repair::<T>(unsafe { slice::from_raw_parts_mut(self.0.as_ptr().cast(), 1) });
    }

    /// False if the bytes have to be [repaired](Self::repair).
    ///
    /// # Safety
    /// Nobody writes to the place.
    #[inline]
    pub(super) unsafe fn is_valid(&self) -> bool {
        // SAFETY: as for `repair`; nobody writes, as the caller promises.
        shared::all_valid::<T>(unsafe { slice::from_raw_parts(self.0.as_ptr().cast(), 1) })
    }
}

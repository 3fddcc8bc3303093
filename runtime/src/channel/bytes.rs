//! Bytes of a region: a ring that is written and read by copying.

#![expect(unsafe_code, reason = "bytes are copied into and out of shared memory")]

use std::ptr::NonNull;
use std::sync::Arc;

use crate::sys::Mapping;

/// A mapped region. Its length is a power of two, and positions wrap at it.
#[derive(Debug, Clone)]
pub(super) struct Bytes {
    mapping: Arc<Mapping>,
    mask: u64,
}

impl Bytes {
    pub(super) fn new(mapping: Mapping) -> Self {
        debug_assert!(mapping.len().is_power_of_two());
        Self {
            mask: mapping.len() as u64 - 1,
            mapping: Arc::new(mapping),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Copies `bytes`, of which there are no more than the region has, to `position`.
    #[inline]
    pub(super) fn write(&self, position: u64, bytes: &[u8]) {
        let offset = (position & self.mask) as usize;
        let first = bytes.len().min(self.len() - offset);
        let (before, behind) = bytes.split_at(first);
        self.write_at(offset, before);
        if !behind.is_empty() {
            self.write_at(0, behind);
        }
    }

    /// Copies bytes from `position` to the whole of `bytes`, which is no longer than the region.
    #[inline]
    pub(super) fn read(&self, position: u64, bytes: &mut [u8]) {
        let offset = (position & self.mask) as usize;
        let first = bytes.len().min(self.len() - offset);
        let (before, behind) = bytes.split_at_mut(first);
        self.read_at(offset, before);
        if !behind.is_empty() {
            self.read_at(0, behind);
        }
    }

    /// Copies `len` bytes from `position` to the end of `out`, which has room for them.
    #[inline]
    pub(super) fn append(&self, position: u64, len: usize, out: &mut Vec<u8>) {
        let offset = (position & self.mask) as usize;
        let first = len.min(self.len() - offset);
        self.append_at(offset, first, out);
        if first < len {
            self.append_at(0, len - first, out);
        }
    }

    #[inline]
    fn write_at(&self, offset: usize, bytes: &[u8]) {
        let target = self.mapping.at(offset, bytes.len());
        // SAFETY: `at` checked the bounds; the mapping is writable, and `bytes` is private memory, so
        // they do not overlap.
        unsafe { target.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    #[inline]
    fn read_at(&self, offset: usize, bytes: &mut [u8]) {
        let source = self.mapping.at(offset, bytes.len());
        // SAFETY: `at` checked the bounds. A process that does not keep to the locks can write at the
        // same time: then the copy holds some mixture, which is looked at as untrusted anyway.
        unsafe { source.copy_to_nonoverlapping(NonNull::from(&mut *bytes).cast(), bytes.len()) };
    }

    #[inline]
    fn append_at(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
        out.reserve(len);
        let source = self.mapping.at(offset, len);
        let spare = NonNull::from(out.spare_capacity_mut()).cast();
        // SAFETY: the vector has room for `len` more bytes; for the source see `read_at`.
        unsafe { source.copy_to_nonoverlapping(spare, len) };
        // SAFETY: the bytes up to the new length were written just above.
        unsafe { out.set_len(out.len() + len) };
    }
}

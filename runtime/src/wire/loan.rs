//! Slices of a caller that waits for its call: they are sent from where they are.
//!
//! The caller's [`Lender`] ends all its loans before the slices can go. Who reads one keeps it from that
//! for as long; afterwards there is nothing to read.

#![expect(
    unsafe_code,
    reason = "a slice is read by other threads while its owner waits, which no lifetime can say"
)]

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The one who lends, as long as it is there.
#[derive(Debug)]
pub(crate) struct Lender(Arc<RwLock<bool>>);

impl Lender {
    /// # Safety
    /// It is dropped before what is lent is gone or changed: it must never be forgotten.
    pub(crate) unsafe fn new() -> Self {
        Self(Arc::new(RwLock::new(true)))
    }

    /// Another name of the lender, for those that borrow in its name.
    pub(crate) fn borrower(&self) -> Borrower {
        Borrower(Arc::clone(&self.0))
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// What makes loans in the name of a [`Lender`].
#[derive(Debug)]
pub(crate) struct Borrower(Arc<RwLock<bool>>);

impl Borrower {
    /// # Safety
    /// The bytes live, and do not change, for longer than the lender.
    pub(super) unsafe fn lend(&self, bytes: &[u8]) -> Loan {
        Loan {
            lends: Arc::clone(&self.0),
            start: NonNull::from(bytes).cast(),
            len: bytes.len(),
        }
    }
}

/// Bytes of somebody else's.
#[derive(Debug)]
pub(super) struct Loan {
    /// True while the lender is there; read while the bytes are in use.
    lends: Arc<RwLock<bool>>,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are only read, and anybody may do that while the lender is there.
unsafe impl Send for Loan {}
// SAFETY: as above.
unsafe impl Sync for Loan {}

impl Loan {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The bytes; none when the lender is gone.
    pub(super) fn bytes(&self) -> Lent<'_> {
        let lends = self.lends.read().unwrap_or_else(PoisonError::into_inner);
        let len = if *lends { self.len } else { 0 };
        // SAFETY: while the lender is there the bytes are, as `lend` was promised; and it does not go
        // while `lends` is held. Without it these are no bytes at an address that is not null.
        let bytes = unsafe { NonNull::slice_from_raw_parts(self.start, len).as_ref() };
        Lent {
            bytes,
            _lends: lends,
        }
    }
}

/// Bytes that do not go as long as this is there.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    bytes: &'a [u8],
    _lends: RwLockReadGuard<'a, bool>,
}

impl Deref for Lent<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_ends_with_its_lender() {
        let bytes = vec![1, 2, 3];
        // SAFETY: it is dropped below, before the vector.
        let lender = unsafe { Lender::new() };
        // SAFETY: the vector outlives the lender.
        let loan = unsafe { lender.borrower().lend(&bytes) };
        assert_eq!(*loan.bytes(), [1, 2, 3]);
        drop(lender);
        drop(bytes);
        assert_eq!(*loan.bytes(), []);
        assert_eq!(loan.len(), 3);
    }

    #[test]
    fn a_lender_waits_for_those_that_read() {
        let bytes = vec![7; 1000];
        // SAFETY: it is dropped by the thread, before the vector.
        let lender = unsafe { Lender::new() };
        // SAFETY: the vector outlives the lender.
        let loan = unsafe { lender.borrower().lend(&bytes) };
        let read = loan.bytes();
        std::thread::scope(|scope| {
            let gone = scope.spawn(move || drop(lender));
            assert_eq!(*read, bytes);
            drop(read);
            gone.join().unwrap();
        });
        assert!(loan.bytes().is_empty());
    }
}

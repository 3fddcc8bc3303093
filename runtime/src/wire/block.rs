//! Large arguments, which stay where they are until they are sent.

use std::ops::Deref;

use super::loan::{Lent, Loan};
use super::words::{Recycled, Words};

/// A large argument.
#[derive(Debug)]
pub(super) enum Block {
    Owned(Words),
    /// It belongs to who waits for the call.
    Lent(Loan),
}

impl Block {
    pub(super) fn len(&self) -> usize {
        match self {
            Block::Owned(words) => words.bytes().len(),
            Block::Lent(loan) => loan.len(),
        }
    }

    pub(super) fn bytes(&self) -> Piece<'_> {
        match self {
            Block::Owned(words) => Piece::Own(words.bytes()),
            Block::Lent(loan) => Piece::Lent(loan.bytes()),
        }
    }

    /// Lets its memory be used again.
    pub(super) fn recycle(self, recycled: &mut Recycled) {
        if let Block::Owned(words) = self {
            recycled.put(words);
        }
    }

    /// Makes it independent of its owner, if there is memory for that.
    pub(super) fn own(&mut self) {
        if let Block::Lent(loan) = self {
            let mut copy = Vec::new();
            let bytes = loan.bytes();
            if copy.try_reserve_exact(bytes.len()).is_ok() {
                copy.extend_from_slice(&bytes);
                drop(bytes);
                *self = Block::Owned(Words::new(copy));
            }
        }
    }
}

/// Some of the bytes of a payload, which stay while this does.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Own(&'a [u8]),
    Lent(Lent<'a>),
}

impl Piece<'_> {
    /// True if it was lent and there was no memory to keep it when its lender went.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Piece::Lent(lent) if lent.is_empty())
    }
}

impl Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Piece::Own(bytes) => bytes,
            Piece::Lent(lent) => lent,
        }
    }
}

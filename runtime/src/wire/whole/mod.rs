//! Sequences of plain numbers inside of values, handed to the format as blocks of bytes.
//!
//! serde gives a format the numbers of a vector one by one, as it gives any elements. So between an impl and
//! the format stand two wrappers, one for writing and one for reading, which hand everything on, nested values
//! wrapped again, but change what a sequence is:
//!
//! | sequence | what the format is given |
//! | --- | --- |
//! | a vector or slice of plain numbers | a sequence of two: the [`Kind`](kind::Kind) of its numbers, and their bytes as in memory |
//! | 64 elements or more that come one by one, the first of them a plain number | 255, how many they are, and as long as they are numbers of one kind, blocks: a [`Kind`](kind::Kind) and bytes; if others follow, 0 and those |
//! | any other | a sequence of one element more: 0, and the elements |
//!
//! The first element tells the reader which it is, whatever type wrote it: one that does not read a whole vector
//! is given the numbers of the block one by one. So arrays of any library travel whole whose impls say how many elements
//! they have: `ndarray`'s in any layout are gathered block by block, and read as the vectors that they keep.

mod de;
mod kind;
mod runs;
mod sequence;
mod ser;

pub(super) use de::Reading;
pub(super) use ser::Whole;

#[cfg(test)]
mod tests;

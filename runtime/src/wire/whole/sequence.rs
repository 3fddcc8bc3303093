//! Sequences that come element by element: those of plain numbers are gathered into blocks on the way.

use serde::ser::{Error, Serialize, SerializeSeq, Serializer};

use super::kind::{Kind, kind_of};
use super::ser::{Block, Whole};
use crate::wire::plain::Elements;

/// Shorter sequences are handed on as they come.
const SHORTEST: usize = 64;
/// Bytes of a block that is full: it stays in the processor's cache until it is handed on.
const FULL: usize = 32 << 10;
/// Elements of the format's sequence besides the numbers, at most: the mark, how many they are, the kind of a first
/// block and the block, and the mark of what is none.
const BESIDES: usize = 5;

/// Stands before blocks, of which there may be several.
pub(super) const RUNS: u8 = u8::MAX;

/// A sequence on its way to the format.
pub(super) enum Sequence<S: Serializer> {
    /// Nothing was said yet: the first element decides.
    Long(S, usize),
    Elements(S::SerializeSeq),
    Runs(Runs<S::SerializeSeq>),
    /// It went wrong before.
    Broken,
}

/// Numbers on their way.
pub(super) struct Runs<S> {
    format: S,
    kind: Kind,
    numbers: Elements,
    /// Numbers that the format was not given yet.
    block: Vec<u8>,
    /// How many elements are to come.
    left: usize,
}

impl<S: Serializer> Sequence<S> {
    #[inline]
    pub(super) fn new(format: S, len: Option<usize>) -> Result<Self, S::Error> {
        match len {
            Some(len) if len >= SHORTEST => Ok(Self::Long(format, len)),
            _ => elements::<S>(format, len).map(Self::Elements),
        }
    }

    /// Begins a long sequence, whose first element is a `T`.
    #[cold]
    fn begin<T: ?Sized>(&mut self) -> Result<(), S::Error> {
        match std::mem::replace(self, Self::Broken) {
            Self::Long(format, len) => {
                *self = match kind_of::<T>().zip(Elements::new::<T>()) {
                    Some((kind, numbers)) => Self::Runs(Runs::new(format, kind, numbers, len)?),
                    None => Self::Elements(elements::<S>(format, Some(len))?),
                };
            }
            begun => *self = begun,
        }
        Ok(())
    }

    #[inline]
    pub(super) fn put<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), S::Error> {
        if let Self::Runs(runs) = self
            && let Some(bytes) = runs.numbers.bytes(element)
        {
            return runs.put(bytes);
        }
        if let Self::Elements(format) = self {
            return format.serialize_element(&Whole(element));
        }
        self.put_first(element)
    }

    /// Puts the first element, or the first one behind numbers that is none of them.
    #[cold]
    fn put_first<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), S::Error> {
        if let Self::Long(..) = self {
            self.begin::<T>()?;
            return self.put(element);
        }
        match std::mem::replace(self, Self::Broken) {
            Self::Runs(runs) if runs.left > 0 => {
                *self = Self::Elements(runs.leave()?);
                self.put(element)
            }
            Self::Runs(_) => Err(other_length()),
            _ => Err(went_wrong()),
        }
    }

    #[inline]
    pub(super) fn end(mut self) -> Result<S::Ok, S::Error> {
        if let Self::Long(..) = self {
            // There are none, whatever was said.
            self.begin::<()>()?;
        }
        match self {
            Self::Elements(format) => format.end(),
            Self::Runs(runs) => runs.end(),
            Self::Long(..) | Self::Broken => Err(went_wrong()),
        }
    }
}

/// Begins one that is handed on element by element.
fn elements<S: Serializer>(format: S, len: Option<usize>) -> Result<S::SerializeSeq, S::Error> {
    let mut format = format.serialize_seq(len.map(|len| len.saturating_add(1)))?;
    format.serialize_element(&Kind::NONE.0)?;
    Ok(format)
}

impl<S: SerializeSeq> Runs<S> {
    fn new<F>(format: F, kind: Kind, numbers: Elements, len: usize) -> Result<Self, S::Error>
    where
        F: Serializer<SerializeSeq = S, Ok = S::Ok, Error = S::Error>,
    {
        // The format is given fewer, and asks for no more than it was given.
        let mut format = format.serialize_seq(Some(len.saturating_add(BESIDES)))?;
        format.serialize_element(&RUNS)?;
        format.serialize_element(&(len as u64))?;
        Ok(Self {
            format,
            kind,
            numbers,
            block: Vec::with_capacity(len.saturating_mul(16).min(FULL)),
            left: len,
        })
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(other_length());
        };
        self.left = left;
        self.block.extend_from_slice(bytes);
        if self.block.len() >= FULL {
            self.flush()?;
        }
        Ok(())
    }

    #[cold]
    fn flush(&mut self) -> Result<(), S::Error> {
        if !self.block.is_empty() {
            self.format.serialize_element(&self.kind.0)?;
            self.format.serialize_element(&Block(&self.block))?;
            self.block.clear();
        }
        Ok(())
    }

    /// From here on the elements are other ones.
    #[cold]
    fn leave(mut self) -> Result<S, S::Error> {
        self.flush()?;
        self.format.serialize_element(&Kind::NONE.0)?;
        Ok(self.format)
    }

    fn end(mut self) -> Result<S::Ok, S::Error> {
        self.flush()?;
        if self.left > 0 {
            return Err(other_length());
        }
        self.format.end()
    }
}

#[cold]
fn other_length<E: Error>() -> E {
    E::custom("its `Serialize` writes another number of elements than it says")
}

#[cold]
fn went_wrong<E: Error>() -> E {
    E::custom("its `Serialize` goes on after an error")
}

//! Numbers in several blocks, for the visitor of their sequence.

use std::fmt;

use bytemuck::Pod;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::de::{Asking, no_numbers, too_early};
use super::kind::{Kind, Numbers};
use crate::wire::plain::extend;

/// Elements that stand in blocks, and after these perhaps one by one.
pub(super) struct Runs<'de, A: SeqAccess<'de>> {
    format: A,
    /// How many are to come.
    left: u64,
    /// Those of the current block.
    block: Option<Numbers<'de, A::Error>>,
    /// There are no blocks any more.
    single: bool,
}

impl<'de, A: SeqAccess<'de>> Runs<'de, A> {
    /// Behind the mark.
    pub(super) fn new(mut format: A) -> Result<Self, A::Error> {
        let left = format.next_element()?.ok_or_else(too_early)?;
        Ok(Self {
            format,
            left,
            block: None,
            single: false,
        })
    }

    fn needs_block(&self) -> bool {
        !self.single && self.block.as_ref().is_none_or(|block| block.count() == 0)
    }

    /// Reads the next block; none if there are no more of them.
    fn next_block(&mut self) -> Result<Option<(Kind, &'de [u8])>, A::Error> {
        let kind = Kind(self.format.next_element()?.ok_or_else(too_early)?);
        if kind == Kind::NONE {
            self.single = true;
            self.block = None;
            return Ok(None);
        }
        let bytes = self.format.next_element_seed(Lent)?;
        bytes.ok_or_else(too_early).map(|bytes| Some((kind, bytes)))
    }

    /// The numbers of a block.
    fn numbers(&self, kind: Kind, bytes: &'de [u8]) -> Result<Numbers<'de, A::Error>, A::Error> {
        // An empty one would go on for ever.
        let numbers = Numbers::new(kind, bytes).filter(|numbers| {
            let count = numbers.count();
            count > 0 && count as u64 <= self.left
        });
        numbers.ok_or_else(no_numbers)
    }

    /// All of them in a vector.
    pub(super) fn gather<P: Pod + DeserializeOwned>(
        mut self,
        wanted: Kind,
    ) -> Result<Vec<P>, A::Error> {
        // The format does not announce more elements than bytes are there.
        let announced = self.format.size_hint().unwrap_or_default();
        let mut vector: Vec<P> = Vec::new();
        vector
            .try_reserve_exact(announced.min(usize::try_from(self.left).unwrap_or(usize::MAX)))
            .map_err(A::Error::custom)?;
        while self.left > 0 {
            if self.needs_block()
                && let Some((kind, bytes)) = self.next_block()?
            {
                let numbers = self.numbers(kind, bytes)?;
                if kind == wanted {
                    self.left -= numbers.count() as u64;
                    extend(&mut vector, bytes);
                    continue;
                }
                self.block = Some(numbers);
            }
            vector.extend(self.next_element::<P>()?);
        }
        Ok(vector)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Runs<'de, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.needs_block()
            && let Some((kind, bytes)) = self.next_block()?
        {
            self.block = Some(self.numbers(kind, bytes)?);
        }
        self.left -= 1;
        match &mut self.block {
            Some(block) => block.next_element_seed(seed),
            None => {
                let element = self.format.next_element_seed(Asking(seed))?;
                element.ok_or_else(too_early).map(Some)
            }
        }
    }

    fn size_hint(&self) -> Option<usize> {
        let block = self.block.as_ref().map_or(0, Numbers::count);
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        // The format does not announce more elements than bytes are there, and visitors reserve what is announced.
        let behind = self.format.size_hint().unwrap_or_default();
        Some(left.min(block.saturating_add(behind)))
    }
}

/// Bytes where the format has them.
struct Lent;

impl<'de> DeserializeSeed<'de> for Lent {
    type Value = &'de [u8];

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<&'de [u8], D::Error> {
        source.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Lent {
    type Value = &'de [u8];

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
        Ok(bytes)
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block of numbers")
    }
}

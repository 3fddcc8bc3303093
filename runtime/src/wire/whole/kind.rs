//! Sequences of plain numbers: recognised by their types, and made of the bytes of one another.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::de::no_numbers;
use super::runs::Runs;
use crate::wire::plain::{for_each_plain, named, vector_of, view};

/// Which plain number, by its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(pub(super) u8);

impl Kind {
    /// Stands before the elements of any other sequence.
    pub(super) const NONE: Self = Self(0);
}

/// Runs `$body` with `$P` standing for each plain type, and `$kind` for its [`Kind`], in turn.
macro_rules! for_each_kind {
    ($P:ident, $kind:ident => $body:block) => {
        let mut $kind = Kind::NONE;
        for_each_plain!($P => {
            $kind.0 += 1;
            $body
        });
    };
}

/// The numbers of `sequence`, if it is a reference to a vector or slice of plain ones.
#[inline]
pub(super) fn block<I>(sequence: &I) -> Option<(Kind, &[u8])> {
    for_each_kind!(P, kind => {
        let vector = view::<I, &Vec<P>>(sequence).map(|vector| vector.as_slice());
        if let Some(slice) = vector.or_else(|| view::<I, &[P]>(sequence).copied()) {
            return Some((kind, bytemuck::cast_slice(slice)));
        }
    });
    None
}

/// The kind of elements of this type, if they are plain numbers or references to such.
pub(super) fn kind_of<T: ?Sized>() -> Option<Kind> {
    let element = typeid::of::<T>();
    for_each_kind!(P, kind => {
        if element == TypeId::of::<P>() || element == TypeId::of::<&P>() {
            return Some(kind);
        }
    });
    None
}

/// The vector of these numbers, if that is what serde's own visitor of a vector makes.
///
/// The visitor is told by its type: one of somebody else's may make a vector of other numbers.
#[inline]
pub(super) fn vector<'de, V: Visitor<'de>>(kind: Kind, bytes: &[u8]) -> Option<V::Value> {
    for_each_kind!(P, found => {
        if kind == found
            && typeid::of::<V::Value>() == TypeId::of::<Vec<P>>()
            && Some(typeid::of::<V>()) == visitor_of::<Vec<P>>()
            && bytes.len().is_multiple_of(size_of::<P>())
        {
            return named::<Vec<P>, V::Value>(vector_of(bytes));
        }
    });
    None
}

/// The vector of what stands in blocks, if serde's own visitor wants one of plain numbers; else what is to be read is
/// given back.
#[inline]
pub(super) fn gathered<'de, V: Visitor<'de>, A: SeqAccess<'de>>(
    runs: Runs<'de, A>,
) -> Result<Result<V::Value, A::Error>, Runs<'de, A>> {
    for_each_kind!(P, kind => {
        if typeid::of::<V::Value>() == TypeId::of::<Vec<P>>()
            && Some(typeid::of::<V>()) == visitor_of::<Vec<P>>()
        {
            let vector = runs.gather::<P>(kind);
            let vector = vector.map(|vector| named::<Vec<P>, V::Value>(vector).ok_or_else(no_numbers));
            return Ok(vector.flatten());
        }
    });
    Err(runs)
}

/// The type of the visitor that a `T` is read with.
fn visitor_of<T: DeserializeOwned>() -> Option<TypeId> {
    T::deserialize(Spy).err().and_then(|seen| seen.0)
}

/// Gives nothing but the type of the visitor.
struct Spy;

#[derive(Debug)]
struct Seen(Option<TypeId>);

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is read")
    }
}

impl std::error::Error for Seen {}

impl Error for Seen {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> Deserializer<'de> for Spy {
    type Error = Seen;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
        Err(Seen(Some(typeid::of::<V>())))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Numbers of a block, for who reads them one by one.
pub(super) struct Numbers<'a, E> {
    kind: Kind,
    width: usize,
    bytes: &'a [u8],
    error: PhantomData<E>,
}

impl<'a, E> Numbers<'a, E> {
    /// None if there are no such numbers, or the last one is cut.
    pub(super) fn new(kind: Kind, bytes: &'a [u8]) -> Option<Self> {
        for_each_kind!(P, found => {
            if kind == found {
                return bytes.len().is_multiple_of(size_of::<P>()).then_some(Self {
                    kind,
                    width: size_of::<P>(),
                    bytes,
                    error: PhantomData,
                });
            }
        });
        None
    }

    /// How many are left.
    pub(super) fn count(&self) -> usize {
        self.bytes.len() / self.width
    }
}

impl<'de, E: Error> SeqAccess<'de> for Numbers<'_, E> {
    type Error = E;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, E> {
        let Some((bytes, rest)) = self.bytes.split_at_checked(self.width) else {
            return Ok(None);
        };
        self.bytes = rest;
        let number = Number {
            kind: self.kind,
            bytes,
            error: PhantomData,
        };
        seed.deserialize(number).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count())
    }
}

/// One of them.
struct Number<'a, E> {
    kind: Kind,
    bytes: &'a [u8],
    error: PhantomData<E>,
}

impl<'de, E: Error> Deserializer<'de> for Number<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        for_each_kind!(P, found => {
            if self.kind == found && let Ok(number) = bytemuck::try_pod_read_unaligned::<P>(self.bytes) {
                return number.into_deserializer().deserialize_any(visitor);
            }
        });
        Err(E::custom("a number of another length"))
    }

    // As for a number that was written alone.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

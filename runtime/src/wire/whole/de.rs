//! Reading: a deserializer before that of the format. The bytes behind it may be any.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::kind::{Kind, Numbers, gathered, vector};
use super::runs::Runs;
use super::sequence::RUNS;
use crate::wire::reason::MISMATCH;

/// The format's side, for the impls.
pub(in crate::wire) struct Reading<A>(pub(in crate::wire) A);

/// The impls' side, for the format.
pub(super) struct Asking<V>(pub(super) V);

macro_rules! deserialize {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.0.$method($($name,)* Asking(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Reading<D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any(); deserialize_bool(); deserialize_i8(); deserialize_i16();
        deserialize_i32(); deserialize_i64(); deserialize_i128(); deserialize_u8();
        deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_str();
        deserialize_string(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier(); deserialize_ignored_any();
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_seq(Sequence(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// The visitor of a sequence, which is elements, a block or several.
struct Sequence<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Sequence<V> {
    type Value = V::Value;

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<V::Value, A::Error> {
        match elements.next_element().map(|kind| kind.map(Kind))? {
            None => Err(too_early()),
            Some(Kind::NONE) => self.0.visit_seq(Reading(elements)),
            Some(Kind(RUNS)) => match gathered::<V, A>(Runs::new(elements)?) {
                Ok(vector) => vector,
                Err(runs) => self.0.visit_seq(runs),
            },
            Some(kind) => {
                let visitor = self.0;
                let value = elements.next_element_seed(Block { kind, visitor })?;
                value.ok_or_else(too_early)
            }
        }
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

#[cold]
pub(super) fn too_early<E: Error>() -> E {
    E::custom(format_args!("a sequence ends too early: {MISMATCH}"))
}

#[cold]
pub(super) fn no_numbers<E: Error>() -> E {
    E::custom(format_args!("numbers are none, or cut: {MISMATCH}"))
}

/// The bytes of numbers, for the visitor of their sequence.
struct Block<V> {
    kind: Kind,
    visitor: V,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Block<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<V::Value, D::Error> {
        source.deserialize_bytes(self)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Block<V> {
    type Value = V::Value;

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        if let Some(vector) = vector::<V>(self.kind, bytes) {
            return Ok(vector);
        }
        let numbers = Numbers::new(self.kind, bytes).ok_or_else(no_numbers)?;
        self.visitor.visit_seq(numbers)
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Reading<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Asking(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Reading<A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(Asking(seed))
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(Asking(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Reading<A> {
    type Error = A::Error;
    type Variant = Reading<A::Variant>;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Asking(seed))?;
        Ok((value, Reading(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Reading<A> {
    type Error = A::Error;

    deserialize! {
        tuple_variant(len: usize);
        struct_variant(fields: &'static [&'static str]);
    }

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Asking(seed))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Asking<T> {
    type Value = T::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Reading(source))
    }
}

macro_rules! visit {
    ($($method:ident($($name:ident: $type:ty)?);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, $($name: $type)?) -> Result<V::Value, E> {
            self.0.$method($($name)?)
        }
    )*};
}

macro_rules! visit_more {
    ($($method:ident($trait:ident);)*) => {$(
        #[inline]
        fn $method<A: $trait<'de>>(self, source: A) -> Result<V::Value, A::Error> {
            self.0.$method(Reading(source))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Asking<V> {
    type Value = V::Value;

    visit! {
        visit_bool(value: bool); visit_i8(value: i8); visit_i16(value: i16);
        visit_i32(value: i32); visit_i64(value: i64); visit_i128(value: i128);
        visit_u8(value: u8); visit_u16(value: u16); visit_u32(value: u32);
        visit_u64(value: u64); visit_u128(value: u128); visit_f32(value: f32);
        visit_f64(value: f64); visit_char(value: char); visit_str(value: &str);
        visit_borrowed_str(value: &'de str); visit_string(value: String);
        visit_bytes(value: &[u8]); visit_borrowed_bytes(value: &'de [u8]);
        visit_byte_buf(value: Vec<u8>); visit_none(); visit_unit();
    }

    visit_more! {
        visit_some(Deserializer);
        visit_newtype_struct(Deserializer);
        visit_seq(SeqAccess);
        visit_map(MapAccess);
        visit_enum(EnumAccess);
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

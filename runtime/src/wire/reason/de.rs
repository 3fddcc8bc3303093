//! postcard's deserializer behind one whose errors keep their message.
//!
//! Between postcard and an impl stand two wrappers. An impl works with [`Keeping`], whose error
//! is a message. postcard works with [`Passing`], whose value is the impl's value or its message:
//! so a message passes through postcard as a success and is never turned into postcard's error.

use std::fmt;

use postcard::Error;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::message::Message;
use crate::wire::whole::Reading;

/// The cause of most bytes that are no value.
pub(in crate::wire) const MISMATCH: &str =
    "what its `Serialize` writes is not what its `Deserialize` reads";

/// What is wrong with `bytes` as a `T`, if they fail again.
pub(in crate::wire) fn why_not_decoded<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
) -> Option<String> {
    let mut deserializer = postcard::Deserializer::from_bytes(bytes);
    T::deserialize(Reading(Keeping(&mut deserializer)))
        .err()
        .map(|message| message.0)
}

/// postcard's side, for the impls.
struct Keeping<A>(A);

/// The impls' side, for postcard.
struct Passing<V>(V);

type Outcome<T> = Result<T, Message>;

fn unwrap<T, E: de::Error>(outcome: Result<Outcome<T>, E>) -> Outcome<T> {
    outcome.unwrap_or_else(|error| Err(explain(error)))
}

/// postcard's own errors in terms of the value.
fn explain<E: de::Error>(error: E) -> Message {
    // serde's traits hide that this is postcard's error: it can only be told by its text.
    let text = error.to_string();
    let is = |known: &Error| known.to_string() == text;
    if is(&Error::WontImplement) {
        return Message(
            "its `Deserialize` needs a self-describing format (as `#[serde(flatten)]`, untagged \
             and internally tagged enums do), which postcard is not"
                .to_owned(),
        );
    }
    let damages = [
        (Error::DeserializeUnexpectedEnd, "its bytes end too early"),
        (Error::DeserializeBadVarint, "a number is too large"),
        (Error::DeserializeBadBool, "a bool is neither 0 nor 1"),
        (Error::DeserializeBadChar, "a char is none"),
        (Error::DeserializeBadUtf8, "a string is not UTF-8"),
        (Error::DeserializeBadOption, "an option is neither 0 nor 1"),
    ];
    Message(match damages.iter().find(|(known, _)| is(known)) {
        Some((_, damage)) => format!("{damage}: {MISMATCH}"),
        None => text,
    })
}

macro_rules! deserialize {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Outcome<V::Value> {
            unwrap(self.0.$method($($name,)* Passing(visitor)))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Keeping<D> {
    type Error = Message;

    deserialize! {
        deserialize_any(); deserialize_bool(); deserialize_i8(); deserialize_i16();
        deserialize_i32(); deserialize_i64(); deserialize_i128(); deserialize_u8();
        deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_str();
        deserialize_string(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier(); deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Keeping<A> {
    type Error = Message;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Outcome<Option<T::Value>> {
        let element = self.0.next_element_seed(Passing(seed));
        unwrap(element.map(Option::transpose))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keeping<A> {
    type Error = Message;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Outcome<Option<K::Value>> {
        unwrap(self.0.next_key_seed(Passing(seed)).map(Option::transpose))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Outcome<V::Value> {
        unwrap(self.0.next_value_seed(Passing(seed)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Keeping<A> {
    type Error = Message;
    type Variant = Keeping<A::Variant>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Outcome<(V::Value, Self::Variant)> {
        let (value, variant) = self.0.variant_seed(Passing(seed)).map_err(explain)?;
        Ok((value?, Keeping(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Keeping<A> {
    type Error = Message;

    deserialize! {
        tuple_variant(len: usize);
        struct_variant(fields: &'static [&'static str]);
    }

    fn unit_variant(self) -> Outcome<()> {
        self.0.unit_variant().map_err(explain)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Outcome<T::Value> {
        unwrap(self.0.newtype_variant_seed(Passing(seed)))
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Passing<T> {
    type Value = Outcome<T::Value>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        Ok(self.0.deserialize(Keeping(source)))
    }
}

macro_rules! visit {
    ($($method:ident($($name:ident: $type:ty)?);)*) => {$(
        fn $method<E: de::Error>(self, $($name: $type)?) -> Result<Self::Value, E> {
            Ok(self.0.$method($($name)?))
        }
    )*};
}

macro_rules! visit_more {
    ($($method:ident($trait:ident);)*) => {$(
        fn $method<A: $trait<'de>>(self, source: A) -> Result<Self::Value, A::Error> {
            Ok(self.0.$method(Keeping(source)))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Passing<V> {
    type Value = Outcome<V::Value>;

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

//! A serializer that writes nothing and fails where postcard's does, with a message.

use std::fmt::{self, Write};

use serde::ser::{self, Serialize};

use super::message::Message;

/// What is wrong with `value`, if its impl says so again.
pub(in crate::wire) fn why_not_encoded<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    value.serialize(Probe).err().map(|message| message.0)
}

#[derive(Clone, Copy)]
struct Probe;

type Outcome<T = ()> = Result<T, Message>;

/// Methods that postcard never fails in, as long as there is memory.
macro_rules! accept {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Outcome<$ok> {
            Ok(<$ok>::from(Probe))
        }
    )*};
}

impl From<Probe> for () {
    fn from(_: Probe) {}
}

impl ser::Serializer for Probe {
    type Ok = ();
    type Error = Message;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    accept! {
        serialize_bool(bool) -> (); serialize_i8(i8) -> (); serialize_i16(i16) -> ();
        serialize_i32(i32) -> (); serialize_i64(i64) -> (); serialize_i128(i128) -> ();
        serialize_u8(u8) -> (); serialize_u16(u16) -> (); serialize_u32(u32) -> ();
        serialize_u64(u64) -> (); serialize_u128(u128) -> (); serialize_f32(f32) -> ();
        serialize_f64(f64) -> (); serialize_char(char) -> (); serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> (); serialize_none() -> (); serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_tuple(usize) -> Self;
        serialize_tuple_struct(&'static str, usize) -> Self;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self;
        serialize_struct(&'static str, usize) -> Self;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Outcome {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Outcome {
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Outcome<Self> {
        known(len, "a sequence of unknown length")
    }

    fn serialize_map(self, len: Option<usize>) -> Outcome<Self> {
        known(
            len,
            "a map of unknown length (as `#[serde(flatten)]` makes one)",
        )
    }

    // The method that serde provides panics when `Display` fails; postcard's does not.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Outcome {
        write!(Nowhere, "{value}").map_err(|_| Message("its `Display` failed".to_owned()))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn known(len: Option<usize>, what: &str) -> Outcome<Probe> {
    len.map(|_| Probe)
        .ok_or_else(|| Message(format!("it has {what}, which postcard cannot encode")))
}

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

macro_rules! compound {
    ($($trait:ident: $($method:ident($($key:ty)?)),*;)*) => {$(
        impl ser::$trait for Probe {
            type Ok = ();
            type Error = Message;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Outcome {
                value.serialize(*self)
            })*

            fn end(self) -> Outcome {
                Ok(())
            }
        }
    )*};
}

compound! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

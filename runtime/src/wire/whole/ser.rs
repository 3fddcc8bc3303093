//! Writing: a serializer before that of the format.

use std::fmt;

use serde::ser::{self, Serialize, SerializeSeq, Serializer};

use super::kind::block;
use super::sequence::Sequence;

/// A value whose vectors of plain numbers are written whole.
pub(in crate::wire) struct Whole<'a, T: ?Sized>(pub(in crate::wire) &'a T);

impl<T: Serialize + ?Sized> Serialize for Whole<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Writing(serializer))
    }
}

/// The numbers of a vector.
pub(super) struct Block<'a>(pub(super) &'a [u8]);

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The format's side, for the impls.
struct Writing<S>(S);

macro_rules! hand_on {
    ($($method:ident($($name:ident: $type:ty),*) -> $ok:ident;)*) => {$(
        #[inline]
        fn $method(self, $($name: $type),*) -> Result<S::$ok, S::Error> {
            self.0.$method($($name),*)
        }
    )*};
}

macro_rules! begin {
    ($($method:ident($($name:ident: $type:ty),*) -> $compound:ident;)*) => {$(
        #[inline]
        fn $method(self, $($name: $type),*) -> Result<Self::$compound, S::Error> {
            self.0.$method($($name),*).map(Writing)
        }
    )*};
}

impl<S: Serializer> Serializer for Writing<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Sequence<S>;
    type SerializeTuple = Writing<S::SerializeTuple>;
    type SerializeTupleStruct = Writing<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Writing<S::SerializeTupleVariant>;
    type SerializeMap = Writing<S::SerializeMap>;
    type SerializeStruct = Writing<S::SerializeStruct>;
    type SerializeStructVariant = Writing<S::SerializeStructVariant>;

    hand_on! {
        serialize_bool(value: bool) -> Ok; serialize_i8(value: i8) -> Ok;
        serialize_i16(value: i16) -> Ok; serialize_i32(value: i32) -> Ok;
        serialize_i64(value: i64) -> Ok; serialize_i128(value: i128) -> Ok;
        serialize_u8(value: u8) -> Ok; serialize_u16(value: u16) -> Ok;
        serialize_u32(value: u32) -> Ok; serialize_u64(value: u64) -> Ok;
        serialize_u128(value: u128) -> Ok; serialize_f32(value: f32) -> Ok;
        serialize_f64(value: f64) -> Ok; serialize_char(value: char) -> Ok;
        serialize_str(value: &str) -> Ok; serialize_bytes(value: &[u8]) -> Ok;
        serialize_none() -> Ok; serialize_unit() -> Ok;
        serialize_unit_struct(name: &'static str) -> Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> Ok;
    }

    begin! {
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant;
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Whole(value))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Whole(value))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Whole(value);
        self.0
            .serialize_newtype_variant(name, index, variant, &value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Sequence::new(self.0, len)
    }

    #[inline]
    fn collect_seq<I: IntoIterator<Item: Serialize>>(self, elements: I) -> Result<S::Ok, S::Error> {
        if let Some((kind, bytes)) = block(&elements) {
            let mut sequence = self.0.serialize_seq(Some(2))?;
            sequence.serialize_element(&kind.0)?;
            sequence.serialize_element(&Block(bytes))?;
            return sequence.end();
        }
        let mut elements = elements.into_iter();
        let (least, most) = elements.size_hint();
        let mut sequence = self.serialize_seq(most.filter(|most| *most == least))?;
        elements.try_for_each(|element| sequence.serialize_element(&element))?;
        sequence.end()
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! compound {
    ($($trait:ident: $($method:ident($($key:ty)?)),*;)*) => {$(
        impl<S: ser::$trait> ser::$trait for Writing<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            $(compound!(@ $method $($key)?);)*

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
    (@ $method:ident) => {
        #[inline]
        fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
            self.0.$method(&Whole(value))
        }
    };
    (@ $method:ident $key:ty) => {
        #[inline]
        fn $method<T: Serialize + ?Sized>(&mut self, key: $key, value: &T) -> Result<(), S::Error> {
            self.0.$method(key, &Whole(value))
        }
    };
}

impl<S: Serializer> SerializeSeq for Sequence<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.put(value)
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        Sequence::end(self)
    }
}

compound! {
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

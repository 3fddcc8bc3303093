//! Bytes on their way in: values made from them.

use std::any::Any;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::plain::{self, Shape};
use super::reason::{MISMATCH, why_not_decoded};
use super::whole::Reading;
use super::words::Recycled;
use crate::ipc;

/// Makes the value that `bytes` are, or says why they are none.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, String> {
    match plain::shape::<T>() {
        Shape::Serde => {}
        Shape::Text => return plain::from_bytes(bytes).ok_or_else(no_text),
        _ => return plain::from_bytes(bytes).ok_or_else(|| wrong_length(bytes.len())),
    }
    if ipc::holds::<T>() {
        return read::<WithChannels<T>>(bytes).map(|with| with.0);
    }
    read(bytes)
}

/// The plain numbers in a row of them.
pub(crate) fn numbers<T: 'static>(bytes: &[u8]) -> impl Iterator<Item = T> {
    let numbers = bytes.chunks_exact(size_of::<T>().max(1));
    numbers.filter_map(plain::number)
}

/// A value with channels of ipc-channel in it.
struct WithChannels<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for WithChannels<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ipc::deserialize(deserializer).map(Self)
    }
}

fn read<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, String> {
    let mut format = postcard::Deserializer::from_bytes(bytes);
    let value = T::deserialize(Reading(&mut format));
    match value.and_then(|value| Ok((value, format.finalize()?))) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes were left over: {MISMATCH}", rest.len())),
        Err(error) => Err(why_not_decoded::<T>(bytes).unwrap_or_else(|| error.to_string())),
    }
}

#[cold]
fn no_text() -> String {
    format!("a string is not UTF-8: {MISMATCH}")
}

fn wrong_length(len: usize) -> String {
    format!("{len} bytes are no whole number of elements")
}

/// Memory that a large value is received into.
pub(crate) trait Landing: Send + fmt::Debug {
    fn bytes_mut(&mut self) -> &mut [u8];
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// What makes memory for a result of so many bytes.
pub(crate) type MakeLanding = fn(usize, &mut Recycled) -> Option<Box<dyn Landing>>;

/// Memory for `len` bytes of a `T`, used before if there is some; none if the length is impossible or there
/// is no memory.
///
/// A vector of plain numbers, or text, is received in its final place.
pub(crate) fn landing<T: 'static>(len: usize, recycled: &mut Recycled) -> Option<Box<dyn Landing>> {
    plain::room::<T>(len, recycled)
        .unwrap_or_else(|| Some(Box::new(plain::room_for::<u8>(len, recycled)?)))
}

/// The value that was received.
pub(crate) fn land<T: DeserializeOwned + 'static>(landing: Box<dyn Landing>) -> Result<T, String> {
    // `landing` makes nothing but vectors of plain numbers: the value itself, or its bytes.
    match landing.into_any().downcast::<T>() {
        Ok(value) => Ok(*value),
        Err(bytes) => match bytes.downcast::<Vec<u8>>() {
            Ok(bytes) if plain::shape::<T>() == Shape::Text => {
                plain::from_text(*bytes).ok_or_else(no_text)
            }
            Ok(bytes) => decode(&bytes),
            Err(_) => Err("it was received as another type".to_owned()),
        },
    }
}

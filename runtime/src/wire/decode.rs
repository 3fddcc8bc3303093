//! Bytes on their way in: values made from them.

use std::any::Any;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::plain::{self, Shape};
use super::reason::{MISMATCH, why_not_decoded};
use crate::ipc;

/// Makes the value that `bytes` are, or says why they are none.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, String> {
    if plain::shape::<T>() != Shape::Serde {
        return plain::from_bytes(bytes).ok_or_else(|| wrong_length(bytes.len()));
    }
    if ipc::holds::<T>() {
        return read::<WithChannels<T>>(bytes).map(|with| with.0);
    }
    read(bytes)
}

/// A value with channels of ipc-channel in it.
struct WithChannels<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for WithChannels<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ipc::deserialize(deserializer).map(Self)
    }
}

fn read<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes were left over: {MISMATCH}", rest.len())),
        Err(error) => Err(why_not_decoded::<T>(bytes).unwrap_or_else(|| error.to_string())),
    }
}

fn wrong_length(len: usize) -> String {
    format!("{len} bytes are no whole number of elements")
}

/// Memory that a large value is received into.
pub(crate) trait Landing: Send + fmt::Debug {
    fn bytes_mut(&mut self) -> &mut [u8];
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// Memory for `len` bytes of a `T`; none if the length is impossible or there is no memory.
///
/// A vector of plain numbers is received in its final place.
pub(crate) fn landing<T: 'static>(len: usize) -> Option<Box<dyn Landing>> {
    plain::zeroed::<T>(len).unwrap_or_else(|| {
        let bytes = bytemuck::allocation::try_zeroed_slice_box::<u8>(len).ok()?;
        Some(Box::new(Vec::from(bytes)))
    })
}

/// The value that was received.
pub(crate) fn land<T: DeserializeOwned + 'static>(landing: Box<dyn Landing>) -> Result<T, String> {
    // `landing` makes nothing but vectors of plain numbers: the value itself, or its bytes.
    match landing.into_any().downcast::<T>() {
        Ok(value) => Ok(*value),
        Err(bytes) => match bytes.downcast::<Vec<u8>>() {
            Ok(bytes) => decode(&bytes),
            Err(_) => Err("it was received as another type".to_owned()),
        },
    }
}

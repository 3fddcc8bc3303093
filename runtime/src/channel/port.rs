//! What handles of both ends have in common: how they are written down, and shown.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::core::Port;
use crate::object::{self, Object, Tag};

/// An object inside of a handle.
struct Named<O>(O);

impl Serialize for Named<&Arc<Object>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Named<Arc<Object>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::deserialize(deserializer).map(Self)
    }
}

pub(super) fn serialize<S: Serializer>(port: &Port, serializer: S) -> Result<S::Ok, S::Error> {
    (Named(&port.memory), Named(&port.end), Named(&port.bell)).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    tag: Tag,
    deserializer: D,
) -> Result<Port, D::Error> {
    let (Named(memory), Named(end), Named(bell)) = Deserialize::deserialize(deserializer)?;
    Port::arrived(tag, [memory, end, bell]).map_err(serde::de::Error::custom)
}

pub(super) fn debug(port: &Port, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("len", &port.len())
        .field("capacity", &port.capacity())
        .finish_non_exhaustive()
}

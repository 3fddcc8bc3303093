//! Values that hold channels of ipc-channel: their bytes, and the channels beside them.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bridge::{Crossing, MOST};
use crate::object::{self, Flags, Object};

thread_local! {
    /// True while a value is on the bridge: channels in what it holds are gathered with its own.
    static CROSSING: Cell<bool> = const { Cell::new(false) };
    /// The bytes of the value that is being made.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// True if the type is one of ipc-channel's, or made of them by types that are generic.
#[inline]
pub(crate) fn holds<T>() -> bool {
    thread_local! {
        // Names of types are constants: the address of one tells it.
        static LAST: Cell<(*const u8, bool)> = const { Cell::new((std::ptr::null(), false)) };
    }
    // All of its types have something to drop, and a thread most often handles one type again and again.
    if !std::mem::needs_drop::<T>() || CROSSING.get() {
        return false;
    }
    let name = type_name::<T>();
    let (last, held) = LAST.get();
    if last == name.as_ptr() {
        return held;
    }
    let held = name.contains("ipc_channel::ipc::");
    LAST.set((name.as_ptr(), held));
    held
}

/// Sets a flag, and takes that back.
struct Within(bool);

impl Within {
    fn new() -> Self {
        Self(CROSSING.replace(true))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        CROSSING.set(self.0);
    }
}

/// The bytes of a value, and its channels.
#[derive(Serialize, Deserialize)]
struct Package {
    bytes: Vec<u8>,
    channels: Vec<Channel>,
}

/// A descriptor that is ipc-channel's.
struct Channel(Arc<Object>);

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::deserialize(deserializer).map(Self)
    }
}

/// Writes a value together with the channels in it; for `#[serde(with = "parproc::ipc")]`.
///
/// # Errors
/// When it is not on its way to a worker, back, or into a channel of parproc; when there is no folder for temporary files that
/// can be written, when it holds more than 64 channels, or when descriptors are scarce.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::Error;

    if CROSSING.get() {
        return value.serialize(serializer);
    }
    let lent = Lent {
        value,
        bytes: RefCell::default(),
        refused: Cell::new(None),
    };
    let within = Within::new();
    // With more channels than it takes it panics.
    let descriptors = catch_unwind(AssertUnwindSafe(|| {
        Crossing::begin().and_then(|mut crossing| crossing.descriptors_of(LentOnce(Some(&lent))))
    }));
    drop(within);
    let descriptors = descriptors.map_err(|_| {
        S::Error::custom(format_args!(
            "it holds more channels than {MOST}, or panics"
        ))
    })?;
    if let Some(reason) = lent.refused.take() {
        return Err(S::Error::custom(reason));
    }
    let descriptors = descriptors
        .map_err(|error| S::Error::custom(format_args!("its channels cannot be sent: {error}")))?;
    let channel = |descriptor| Object::from_descriptor(descriptor, WAITS).map(Channel);
    let channels: Result<Vec<_>, _> = descriptors.into_iter().map(channel).collect();
    let package = Package {
        bytes: lent.bytes.into_inner(),
        channels: channels.map_err(S::Error::custom)?,
    };
    package.serialize(serializer)
}

/// Who receives from a channel waits for another process.
const WAITS: Flags = Flags {
    keep: false,
    waits: true,
};

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// When it is no such value, or when descriptors are scarce.
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    use serde::de::Error;

    if CROSSING.get() {
        return T::deserialize(deserializer);
    }
    let package = Package::deserialize(deserializer)?;
    if package.channels.len() > MOST {
        return Err(D::Error::custom(format_args!(
            "{} channels in one value",
            package.channels.len()
        )));
    }
    let descriptors: Vec<_> = package
        .channels
        .iter()
        .map(|channel| channel.0.fd())
        .collect();
    let within = Within::new();
    let before = BYTES.replace(package.bytes);
    // Bytes that name a channel which is not there make it panic.
    let made = catch_unwind(AssertUnwindSafe(|| {
        Crossing::begin().and_then(|mut crossing| crossing.value_of::<Made<T>>(&descriptors))
    }));
    BYTES.set(before);
    drop(within);
    match made {
        Ok(Ok(Made(value))) => Ok(value),
        Ok(Err(error)) => Err(D::Error::custom(format_args!(
            "its channels could not be received: {error}"
        ))),
        Err(_) => Err(D::Error::custom(
            "it names channels that did not come along",
        )),
    }
}

/// A value whose bytes go to us while ipc-channel gathers its channels.
struct Lent<'a, T> {
    value: &'a T,
    bytes: RefCell<Vec<u8>>,
    refused: Cell<Option<String>>,
}

/// What ipc-channel is given of it: it insists on what can be read back.
struct LentOnce<'a, T>(Option<&'a Lent<'a, T>>);

impl<T: Serialize> Serialize for LentOnce<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;

        if let Some(lent) = self.0 {
            match postcard::to_stdvec(lent.value) {
                Ok(bytes) => drop(lent.bytes.replace(bytes)),
                Err(error) => {
                    lent.refused.set(Some(error.to_string()));
                    return Err(S::Error::custom(error));
                }
            }
        }
        ().serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for LentOnce<'_, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self(None))
    }
}

/// A value that is made of our bytes while ipc-channel has its channels at hand.
struct Made<T>(T);

impl<T> Serialize for Made<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ().serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Made<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        <()>::deserialize(deserializer)?;
        let bytes = BYTES.take();
        postcard::from_bytes(&bytes)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

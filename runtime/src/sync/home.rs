//! The shared memory of one lock or the like, and its handles.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::{self, Flags, Object, PAYLOAD, Tag};
use crate::sys::Mapping;

/// What stands in the memory, as one process has it.
pub(super) trait State: Sized + Send + Sync + 'static {
    const KIND: &'static str;
    /// Bytes of memory that it takes.
    const LEN: usize;
    /// Whether somebody may wait through it until another process does something of its own accord.
    const WAITS: bool;

    /// The state at the [payload](PAYLOAD) of a mapping; zeroes are a new one.
    ///
    /// # Errors
    /// When this process cannot take part in it.
    fn at(mapping: &Arc<Mapping>) -> io::Result<Self>;
}

/// One handle; all handles of a process have the same state.
pub(super) struct Home<S> {
    object: Arc<Object>,
    state: Arc<S>,
}

impl<S: State> Home<S> {
    pub(super) fn new() -> io::Result<Self> {
        let flags = Flags {
            keep: true,
            waits: S::WAITS,
        };
        Self::of(Object::memory(Self::tag(), S::LEN, flags)?)
    }

    fn of(object: Arc<Object>) -> io::Result<Self> {
        let state = object.local(|| S::at(object.mapping()).map(Arc::new))?;
        let state = Arc::clone(state);
        Ok(Self { object, state })
    }

    fn tag() -> Tag {
        Tag::of::<S>(S::KIND)
    }
}

impl<S> Clone for Home<S> {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            state: Arc::clone(&self.state),
        }
    }
}

impl<S> Deref for Home<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S> fmt::Debug for Home<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

impl<S> Serialize for Home<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        object::serialize(&self.object, serializer)
    }
}

impl<'de, S: State> Deserialize<'de> for Home<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = object::deserialize(deserializer)?;
        object
            .check(Self::tag())
            .map_err(serde::de::Error::custom)?;
        if object.len() < S::LEN {
            let what = "the memory of a shared object is too short";
            return Err(serde::de::Error::custom(what));
        }
        Self::of(object).map_err(serde::de::Error::custom)
    }
}

/// Where a value of type `T` stands that comes at least `behind` bytes of payload.
pub(super) const fn offset_behind<T>(behind: usize) -> usize {
    assert!(align_of::<T>() <= 4096, "pages are not aligned to more");
    (PAYLOAD + behind).next_multiple_of(align_of::<T>())
}

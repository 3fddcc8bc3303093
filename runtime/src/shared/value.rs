//! Values that all processes read and nobody changes.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::form::{Form, Memory, Source};

/// A value in shared memory that all processes read and nobody can change.
///
/// It is placed there once. [Clones](Clone) are handles of the same value, and so is what a `#[parallel]`
/// function gets that is called with one, alone or inside of other values. The memory goes with the
/// last handle, in whatever way processes end. It dereferences to the value:
///
/// | type | made from | in each process |
/// | --- | --- | --- |
/// | `Shared<[T]>`, if `T` is [`Plain`](super::Plain) | slices, vectors, arrays | read in place: all processes together have one copy |
/// | `Shared<str>` | `&str`, `String` | read in place, found to be UTF-8 when it arrives for the first time |
/// | `Shared<[u8]>` | also [files](Shared::read_file) | read in place |
/// | `Shared<T>` for any other type with serde | a `T` | decoded when it arrives for the first time, and kept as long as the program has a handle |
///
/// ```
/// use parproc::{Shared, par_map, parallel};
///
/// #[parallel]
/// fn count(text: Shared<str>, word: String) -> usize {
///     text.split(' ').filter(|other| **other == word).count()
/// }
///
/// let text: Shared<str> = Shared::new("to be or not to be")?;
/// let items = ["to", "be", "or"].map(|word| (text.clone(), word.to_owned()));
/// assert_eq!(par_map(count, items)?, [2, 2, 1]);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// In a launch on [several machines](crate::guide::cluster) it is broadcast to all of them, once, when an item names it
/// that one of them could run. Each has one copy, until the program has dropped its last handle.
///
/// The memory is sealed: the kernel refuses all writes to it, also those of who made it and of
/// processes that misbehave.
#[must_use = "the memory goes with the last handle"]
pub struct Shared<T: Form + ?Sized> {
    memory: Memory,
    view: T::View,
}

impl<T: Form + ?Sized> Shared<T> {
    /// Places a value in shared memory.
    ///
    /// A vector can become a slice, which is read in place, or stay a vector, which each process decodes:
    /// the type of the handle says which.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use parproc::Shared;
    ///
    /// let table: Shared<[f64]> = Shared::new(vec![1.5; 1000])?;
    /// assert_eq!(table[999], 1.5);
    /// let numbers = Shared::new(HashMap::from([("one".to_owned(), 1)]))?;
    /// assert_eq!(numbers["one"], 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the system refuses the memory, when the process has as many open files as it may, and when serde
    /// refuses the value.
    pub fn new(value: impl Source<T>) -> io::Result<Self> {
        let (memory, inner) = value.place()?;
        Self::of_memory(memory, inner)
    }

    pub(super) fn of_memory(memory: Memory, inner: Vec<Memory>) -> io::Result<Self> {
        let view = T::view(&memory, inner)?;
        Ok(Self { memory, view })
    }

    /// Whether both are handles of one value in memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.memory.0.id() == other.memory.0.id()
    }
}

impl<T: super::Plain> Shared<[T]> {
    /// Places a copy of a slice in shared memory.
    ///
    /// ```
    /// let table = parproc::Shared::from_slice(&[1.5, 2.5])?;
    /// assert_eq!(table.iter().sum::<f64>(), 4.0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn from_slice(slice: &[T]) -> io::Result<Self> {
        Self::new(slice)
    }
}

impl<T: Form + ?Sized> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::get(&self.memory, &self.view)
    }
}

impl<T: Form + ?Sized> AsRef<T> for Shared<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

// Nobody changes it.
impl<T: Form + ?Sized> UnwindSafe for Shared<T> {}
impl<T: Form + ?Sized> RefUnwindSafe for Shared<T> {}

impl<T: Form + ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            memory: self.memory.clone(),
            view: self.view.clone(),
        }
    }
}

impl<T: Form + fmt::Debug + ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Form + ?Sized> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What the value names travels with it.
        (&self.memory, T::inner(&self.view)).serialize(serializer)
    }
}

impl<'de, T: Form + ?Sized> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (memory, inner) = Deserialize::deserialize(deserializer)?;
        Self::of_memory(memory, inner).map_err(serde::de::Error::custom)
    }
}

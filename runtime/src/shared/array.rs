//! Arrays that several processes write.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Plain;
use super::core::{Core, Layout};
use crate::object::{Flags, Object, Tag};

/// An array in memory that several processes read and write.
///
/// It is made once; [clones](Clone) are handles of the same array, and so is what a `#[parallel]` function gets
/// that is called with one, alone or inside of other values. The memory goes with the last handle, in
/// whatever way the processes that have one end.
///
/// The processes of one machine share it: in a launch on [several](crate::guide::cluster), items whose arguments name it
/// run on that of the program.
///
/// There are three ways to use it, from the most shared to the fastest:
///
/// | | who | how |
/// | --- | --- | --- |
/// | one element at a time | everybody at once | [`get`](Self::get), [`set`](Self::set), [`fetch_add`](Self::fetch_add), …; many of them through [`atomics`](Self::atomics) |
/// | all of it | one at a time | [`lock`](Self::lock) gives a `&mut [T]` |
/// | parts of it | one for each part | [`split`](Self::split) gives [`SharedPart`](super::SharedPart)s, each a `&mut [T]` in the task that it is passed to; see also [`par_chunks_mut`](crate::par_chunks_mut) |
///
/// They exclude each other: operations on elements wait while somebody holds the lock, and are errors while
/// parts are out. Elements of 1, 2, 4 and 8 bytes are read and written whole by the processor, sequentially
/// consistent as [`SeqCst`](std::sync::atomic::Ordering::SeqCst) says; others under the lock.
///
/// ```
/// use parproc::shared::ArrayError;
/// use parproc::{Pool, SharedArray, parallel};
///
/// #[parallel]
/// fn square_at(
///     index: usize,
///     numbers: SharedArray<u64>,
///     results: SharedArray<u64>,
/// ) -> Result<(), ArrayError> {
///     results.set(index, numbers.get(index)? * numbers.get(index)?)
/// }
///
/// let numbers = SharedArray::from_slice(&[1, 2, 3, 4])?;
/// let results = SharedArray::new(4)?;
/// let items = (0..4).map(|index| (index, numbers.clone(), results.clone()));
/// Pool::global()?.try_map(square_at, items)?;
/// assert_eq!(results.to_vec()?, [1, 4, 9, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Faults elsewhere
///
/// Rust's rules hold across processes as long as these keep to them. A worker that scribbles over memory, by
/// a fault in unsafe code or a C library, can scribble over what it shares as well; then any
/// element can have any value, but no more than that: see [`Plain`].
#[derive(Serialize, Deserialize)]
#[serde(into = "Wire", try_from = "Wire", bound = "T: Plain")]
pub struct SharedArray<T> {
    pub(super) object: Arc<Object>,
    pub(super) core: Arc<Core>,
    pub(super) len: usize,
    elements: PhantomData<T>,
}

/// An array on its way.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "crate::object")]
    object: Arc<Object>,
    len: u64,
}

// The bounds are at the functions, where the compiler explains them.
impl<T> SharedArray<T> {
    /// An array of `len` elements whose bytes are 0.
    ///
    /// # Errors
    /// When the system refuses the memory, or the process has as many open files as it may.
    pub fn new(len: usize) -> io::Result<Self>
    where
        T: Plain,
    {
        const {
            assert!(size_of::<T>() > 0, "elements of an array need a size");
        }
        let flags = Flags {
            keep: true,
            waits: false,
        };
        let bytes = Layout::of::<T>(len)?.bytes;
        Self::of_object(Object::memory(Tag::of::<T>("array"), bytes, flags)?, len)
    }

    /// An array with a copy of these elements.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn from_slice(elements: &[T]) -> io::Result<Self>
    where
        T: Plain,
    {
        let array = Self::new(elements.len())?;
        array.copy_from_slice(0, elements)?;
        Ok(array)
    }
}

impl<T: Plain> SharedArray<T> {
    /// The array in an object that somebody sent.
    pub(super) fn of_object(object: Arc<Object>, len: usize) -> io::Result<Self> {
        object.check(Tag::of::<T>("array"))?;
        let layout = Layout::of::<T>(len)?;
        if object.len() != layout.bytes {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a shared array has another length than its handle says",
            ));
        }
        let core = object.local(|| Ok(Arc::new(Core::new(object.mapping(), layout)?)))?;
        Ok(Self {
            core: Arc::clone(core),
            object,
            len,
            elements: PhantomData,
        })
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether both are handles of one array.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.object.id() == other.object.id()
    }
}

// Other processes can see it at any time, so a panic shows nothing that is not seen anyway.
impl<T> UnwindSafe for SharedArray<T> {}
impl<T> RefUnwindSafe for SharedArray<T> {}

impl<T: Plain> Clone for SharedArray<T> {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            core: Arc::clone(&self.core),
            len: self.len,
            elements: PhantomData,
        }
    }
}

impl<T: Plain> fmt::Debug for SharedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedArray")
            .field("type", &std::any::type_name::<T>())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<T: Plain> From<SharedArray<T>> for Wire {
    fn from(array: SharedArray<T>) -> Self {
        Self {
            len: array.len as u64,
            object: array.object,
        }
    }
}

impl<T: Plain> TryFrom<Wire> for SharedArray<T> {
    type Error = io::Error;

    fn try_from(wire: Wire) -> io::Result<Self> {
        let len = usize::try_from(wire.len).map_err(|_| io::ErrorKind::InvalidData)?;
        Self::of_object(wire.object, len)
    }
}

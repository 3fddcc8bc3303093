//! How values lie in shared memory that nobody changes, by their type.

#![expect(
    unsafe_code,
    reason = "bytes that were checked are looked at as values"
)]

use std::any::TypeId;
use std::io::{self, Write};
use std::ptr::NonNull;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Plain;
use super::plain::all_valid;
use crate::object::{Flags, Object, PAYLOAD, Tag, collect};
use crate::wire::{append_value, decode};

pub(super) const FLAGS: Flags = Flags {
    keep: true,
    waits: false,
};

/// A type that a [`Shared`](super::Shared) can hold: slices of [`Plain`] types, `str`, and all types that
/// serde can write and read and threads can share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be placed in shared memory",
    label = "neither plain data nor a serde type that threads can share",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Form: sealed::Form {}

impl<T: sealed::Form + ?Sized> Form for T {}

/// A value from which a [`Shared<T>`](super::Shared) can be made.
#[diagnostic::on_unimplemented(
    message = "a `Shared<{T}>` cannot be made from `{Self}`",
    note = "a `Shared<[T]>` is made from a slice, vector or array, a `Shared<str>` from a `&str` or `String`"
)]
pub trait Source<T: Form + ?Sized>: sealed::Source<T> {}

impl<T: Form + ?Sized, S: sealed::Source<T>> Source<T> for S {}

mod sealed {
    use super::{Memory, io};

    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Form: 'static {
        /// What a handle knows beside its object.
        type View: Clone + Send + Sync;

        /// Looks at what came, which may be anything, with what it names.
        fn view(memory: &Memory, inner: Vec<Memory>) -> io::Result<Self::View>;

        /// The value, which lives as long as the object.
        fn get<'a>(memory: &'a Memory, view: &'a Self::View) -> &'a Self;

        /// What the value names.
        fn inner(_view: &Self::View) -> &[Memory] {
            &[]
        }
    }

    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Source<T: ?Sized> {
        /// Places the value in shared memory, and gives what it names as well.
        fn place(self) -> io::Result<(Memory, Vec<Memory>)>;
    }
}

/// The object of a shared value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(unnameable_types, reason = "for a trait that nobody else implements")]
pub struct Memory(#[serde(with = "crate::object")] pub(super) Arc<Object>);

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn bytes<T: ?Sized>(memory: &Memory) -> io::Result<&[u8]> {
    memory.0.frozen_bytes(Tag::of::<T>("value"))
}

/// Elements that were found to be all right, and stay so.
#[derive(Debug)]
#[expect(unnameable_types, reason = "for a trait that nobody else implements")]
pub struct Elements<T> {
    start: NonNull<T>,
    len: usize,
}

impl<T> Clone for Elements<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Elements<T> {}

// SAFETY: the elements are only read, and those of plain types can be read by all threads.
unsafe impl<T: Sync> Send for Elements<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Elements<T> {}

impl<T: Plain> sealed::Form for [T] {
    type View = Elements<T>;

    fn view(memory: &Memory, _inner: Vec<Memory>) -> io::Result<Elements<T>> {
        let elements = memory.0.local(|| {
            // Files are bytes, and have no tag.
            let of_file = memory.0.file_bytes();
            let of_file = of_file.filter(|_| TypeId::of::<T>() == TypeId::of::<u8>());
            elements::<T>(match of_file {
                Some(bytes) => bytes,
                None => bytes::<[T]>(memory)?,
            })
        })?;
        Ok(*elements)
    }

    #[inline]
    fn get<'a>(_memory: &'a Memory, view: &'a Elements<T>) -> &'a [T] {
        // SAFETY: they were found to be aligned and valid, nobody can change them, and they are
        // mapped as long as the object.
        unsafe { NonNull::slice_from_raw_parts(view.start, view.len).as_ref() }
    }
}

fn elements<T: Plain>(bytes: &[u8]) -> io::Result<Elements<T>> {
    const {
        assert!(size_of::<T>() > 0, "elements of a slice need a size");
    }
    let patterns: &[T::Bits] = bytemuck::try_cast_slice(bytes)
        .map_err(|_| invalid("shared memory is no whole number of elements"))?;
    if !all_valid::<T>(patterns) {
        return Err(invalid("a shared slice has elements of no value"));
    }
    Ok(Elements {
        start: NonNull::from(patterns).cast(),
        len: patterns.len(),
    })
}

/// Bytes that were found to be UTF-8 besides.
#[derive(Debug, Clone, Copy)]
#[expect(unnameable_types, reason = "for a trait that nobody else implements")]
pub struct Text(Elements<u8>);

impl sealed::Form for str {
    type View = Text;

    fn view(memory: &Memory, _inner: Vec<Memory>) -> io::Result<Text> {
        let text = memory.0.local(|| {
            let bytes = bytes::<str>(memory)?;
            std::str::from_utf8(bytes).map_err(|_| invalid("a shared text is no UTF-8"))?;
            elements::<u8>(bytes).map(Text)
        })?;
        Ok(*text)
    }

    #[inline]
    fn get<'a>(memory: &'a Memory, text: &'a Text) -> &'a str {
        let bytes = <[u8] as sealed::Form>::get(memory, &text.0);
        // SAFETY: they were found to be UTF-8, and nobody can change them.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }
}

/// A value in this process.
#[derive(Debug)]
#[expect(unnameable_types, reason = "for a trait that nobody else implements")]
pub struct Decoded<T> {
    value: T,
    /// What it names.
    inner: Vec<Memory>,
}

impl<T> sealed::Form for T
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    type View = Arc<Decoded<T>>;

    fn view(memory: &Memory, inner: Vec<Memory>) -> io::Result<Arc<Decoded<T>>> {
        let decoded = memory.0.local(|| {
            let value = decode(bytes::<T>(memory)?).map_err(|reason| invalid(&reason))?;
            Ok(Arc::new(Decoded { value, inner }))
        })?;
        Ok(Arc::clone(decoded))
    }

    #[inline]
    fn get<'a>(_memory: &'a Memory, view: &'a Arc<Decoded<T>>) -> &'a T {
        &view.value
    }

    fn inner(view: &Arc<Decoded<T>>) -> &[Memory] {
        &view.inner
    }
}

type Placed = io::Result<(Memory, Vec<Memory>)>;

impl<T> sealed::Source<T> for T
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn place(self) -> Placed {
        let mut bytes = Vec::new();
        let (encoded, inner) = collect(|| append_value(&self, &mut bytes));
        encoded.map_err(io::Error::other)?;
        let inner: Vec<_> = inner.into_iter().map(Memory).collect();
        let memory = frozen::<T>(&bytes)?;
        let named = inner.clone();
        memory.0.local(|| {
            let decoded = Decoded { value: self, inner };
            Ok(Arc::new(decoded))
        })?;
        Ok((memory, named))
    }
}

/// A copy of these bytes in memory that nobody can change.
fn frozen<T: ?Sized>(bytes: &[u8]) -> io::Result<Memory> {
    let object = Object::frozen(Tag::of::<T>("value"), bytes.len(), FLAGS, |file| {
        file.write_all(bytes)
    })?;
    Ok(Memory(object))
}

impl<T: Plain> sealed::Source<[T]> for &[T] {
    fn place(self) -> Placed {
        const {
            assert!(
                align_of::<T>() <= PAYLOAD,
                "elements of a shared slice are aligned to 64 bytes at most"
            );
        }
        Ok((frozen::<[T]>(bytemuck::cast_slice(self))?, Vec::new()))
    }
}

impl<T: Plain> sealed::Source<[T]> for Vec<T> {
    fn place(self) -> Placed {
        self.as_slice().place()
    }
}

impl<T: Plain> sealed::Source<[T]> for &Vec<T> {
    fn place(self) -> Placed {
        self.as_slice().place()
    }
}

impl<T: Plain> sealed::Source<[T]> for Box<[T]> {
    fn place(self) -> Placed {
        (&*self).place()
    }
}

impl<T: Plain, const N: usize> sealed::Source<[T]> for [T; N] {
    fn place(self) -> Placed {
        self.as_slice().place()
    }
}

impl<T: Plain, const N: usize> sealed::Source<[T]> for &[T; N] {
    fn place(self) -> Placed {
        self.as_slice().place()
    }
}

impl sealed::Source<str> for &str {
    fn place(self) -> Placed {
        Ok((frozen::<str>(self.as_bytes())?, Vec::new()))
    }
}

impl sealed::Source<str> for String {
    fn place(self) -> Placed {
        <&str as sealed::Source<str>>::place(&self)
    }
}

impl sealed::Source<str> for &String {
    fn place(self) -> Placed {
        <&str as sealed::Source<str>>::place(self)
    }
}

//! What a registered function's entry takes: the arguments of its items.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::decode::land;
use super::items::Stamps;
use super::{Recycled, decode, landing, plain, varint};
use crate::error::{Failure, Step};

/// A type that an argument of a `#[parallel]` function can have; borrowed arguments are lent from
/// their owned form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a `#[parallel]` function",
    label = "an argument travels to another process",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Argument: DeserializeOwned + 'static {}

impl<T: DeserializeOwned + 'static> Argument for T {}

/// Bytes that arrive while they are read.
pub(crate) trait Stream {
    /// Waits until all of `bytes` are there.
    fn fill(&mut self, bytes: &mut [u8]);
    /// Drops the next `len` bytes.
    fn skip(&mut self, len: u64);
}

/// The arguments of the items of a chunk.
pub struct Arguments<'a> {
    source: Source<'a>,
    /// If not 0, the items are plain numbers of that many bytes in a row, without lengths.
    width: usize,
    /// Of the current item.
    left: usize,
    /// Called once the last argument of the first item was taken.
    taken: Option<Box<dyn FnOnce() + 'a>>,
    /// Told when an argument was decoded, if that is wanted.
    stamps: Option<Rc<Stamps>>,
}

enum Source<'a> {
    Bytes(&'a [u8]),
    Stream(&'a mut dyn Stream),
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<'a> Arguments<'a> {
    /// Those of items in a row, if `width` is that of their numbers and not 0.
    pub(crate) fn from_bytes(bytes: &'a [u8], width: usize) -> Self {
        Self {
            source: Source::Bytes(bytes),
            width,
            left: 0,
            taken: None,
            stamps: None,
        }
    }

    /// As [`from_bytes`](Self::from_bytes).
    pub(crate) fn from_stream(stream: &'a mut dyn Stream, width: usize) -> Self {
        Self {
            source: Source::Stream(stream),
            width,
            left: 0,
            taken: None,
            stamps: None,
        }
    }

    /// Has the stamps told when an argument was decoded.
    pub(crate) fn stamp(&mut self, stamps: Rc<Stamps>) {
        self.stamps = Some(stamps);
    }

    /// Has `taken` called once the first item has all its arguments, before it runs.
    pub(crate) fn on_taken(&mut self, taken: impl FnOnce() + 'a) {
        self.taken = Some(Box::new(taken));
    }

    /// The next arguments belong to a new item, which has `count`.
    pub(crate) fn begin(&mut self, count: usize) {
        self.left = count;
    }

    /// Drops `items` items with so many arguments each.
    pub(crate) fn skip(&mut self, items: u32, arguments: usize) {
        for _ in 0..items {
            self.begin(arguments);
            self.finish();
        }
    }

    /// Drops what the current item did not take.
    pub(crate) fn finish(&mut self) {
        while self.left > 0 {
            self.left -= 1;
            let len = self.length();
            match &mut self.source {
                Source::Bytes(bytes) => *bytes = bytes.get(len as usize..).unwrap_or_default(),
                Source::Stream(stream) => stream.skip(len),
            }
        }
    }

    /// Takes the next argument.
    ///
    /// # Errors
    /// When its bytes are no `T`.
    #[inline]
    pub fn take<T: Argument>(&mut self) -> Result<T, Failure> {
        if self.width == plain::width::<T>()
            && self.taken.is_none()
            && let Source::Bytes(bytes) = &mut self.source
            && let Some((number, rest)) = bytes.split_at_checked(size_of::<T>())
            && let Some(number) = plain::number(number)
        {
            *bytes = rest;
            self.left = 0;
            return Ok(number);
        }
        self.take_next()
    }

    /// Takes the next argument as text, which is lent from the chunk if that is in memory.
    ///
    /// # Errors
    /// When its bytes are no text.
    #[inline]
    pub fn take_text(&mut self) -> Result<Cow<'a, str>, Failure> {
        if self.width == 0
            && self.taken.is_none()
            && let Source::Bytes(bytes) = &mut self.source
            && let varint::Read::Value(len, prefix) = varint::read(bytes)
            && let Some((text, rest)) = bytes[prefix..].split_at_checked(len as usize)
            && let Ok(text) = str::from_utf8(text)
        {
            *bytes = rest;
            self.left = self.left.saturating_sub(1);
            return Ok(Cow::Borrowed(text));
        }
        self.take().map(Cow::Owned)
    }

    fn take_next<T: Argument>(&mut self) -> Result<T, Failure> {
        self.left = self.left.saturating_sub(1);
        let len = self.length();
        let value = match &mut self.source {
            Source::Bytes(bytes) => match bytes.split_at_checked(len as usize) {
                Some((argument, rest)) => {
                    *bytes = rest;
                    decode(argument)
                }
                None => Err("its bytes are not all there".to_owned()),
            },
            Source::Stream(stream) => match landing::<T>(len as usize, &mut Recycled::default()) {
                Some(mut landing) => {
                    stream.fill(landing.bytes_mut());
                    land(landing)
                }
                None => {
                    stream.skip(len);
                    Err(format!("there is no memory for its {len} bytes"))
                }
            },
        };
        if let Some(stamps) = &self.stamps {
            stamps.decoded();
        }
        if self.left == 0
            && let Some(taken) = self.taken.take()
        {
            taken();
        }
        value.map_err(|reason| Failure::of::<T>(Step::DecodeArgument, reason))
    }

    fn length(&mut self) -> u64 {
        if self.width > 0 {
            return self.width as u64;
        }
        match &mut self.source {
            Source::Bytes(bytes) => match varint::read(bytes) {
                varint::Read::Value(len, taken) => {
                    *bytes = &bytes[taken..];
                    len
                }
                varint::Read::Short | varint::Read::Bad => u64::MAX,
            },
            Source::Stream(stream) => {
                let mut prefix = [0; varint::LONGEST];
                for len in 1..=prefix.len() {
                    stream.fill(&mut prefix[len - 1..len]);
                    if let varint::Read::Value(value, _) = varint::read(&prefix[..len]) {
                        return value;
                    }
                }
                u64::MAX
            }
        }
    }
}

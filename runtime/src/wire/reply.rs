//! What a registered function's entry puts: the result of an item.

use std::any::type_name;
use std::fmt;
use std::mem::forget;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::encode::serialize;
use super::items::{Host, Track};
use super::{Window, plain};
use crate::error::{Failure, Step};
use crate::object::collect;

/// A larger buffer is not kept for the next result.
const KEPT: usize = 1 << 20;

/// A type that a `#[parallel]` function can return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a `#[parallel]` function",
    label = "a result travels to another process",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Output: Serialize + DeserializeOwned + 'static {}

impl<T: Serialize + DeserializeOwned + 'static> Output for T {}

/// Where the result of one item goes.
pub struct Reply<'a> {
    window: &'a Window<'a>,
    track: Track<'a>,
    host: &'a mut dyn Host,
    scratch: &'a mut Vec<u8>,
    /// Set when this is dropped: nothing was put.
    unanswered: &'a mut bool,
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

impl<'a> Reply<'a> {
    #[inline]
    pub(super) fn new(
        window: &'a Window<'a>,
        track: Track<'a>,
        host: &'a mut dyn Host,
        scratch: &'a mut Vec<u8>,
        unanswered: &'a mut bool,
    ) -> Self {
        Self {
            window,
            track,
            host,
            scratch,
            unanswered,
        }
    }

    /// Puts the result. What is dropped with it is dropped before: with a panic in there nothing was put.
    ///
    /// # Errors
    /// When it cannot be encoded; nothing was put then.
    // Inlined, or the reply would be copied right after it was written: the processor waits for that.
    #[inline]
    pub fn put<R: Output>(self, value: R) -> Result<(), Failure> {
        if let Some(bytes) = plain::bytes_of(&value) {
            put_bytes::<R>(self.window, self.track, self.host, bytes);
            // There is nothing of the user's in what is plain.
            forget(self);
            return Ok(());
        }
        self.put_encoded(value)
    }

    fn put_encoded<R: Output>(self, value: R) -> Result<(), Failure> {
        if let Some(stamps) = self.track.stamps {
            stamps.returned();
        }
        self.scratch.clear();
        let refused = |reason| Failure::of::<R>(Step::EncodeResult, reason);
        let (encoded, objects) = collect(|| serialize(&value, self.scratch));
        encoded.map_err(refused)?;
        if !objects.is_empty() {
            self.window.settle(self.host);
            let carried = self.host.carry(objects);
            carried
                .map_err(|error| refused(format!("what it shares cannot come along: {error}")))?;
        }
        drop(value);
        put_bytes::<R>(self.window, self.track, self.host, self.scratch);
        if self.scratch.capacity() > KEPT {
            *self.scratch = Vec::new();
        }
        forget(self);
        Ok(())
    }
}

impl Drop for Reply<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.unanswered = true;
    }
}

#[inline(always)]
fn put_bytes<R>(window: &Window<'_>, track: Track<'_>, host: &mut dyn Host, bytes: &[u8]) {
    // The copy of a worker that a task's `fork` made may come back here as well.
    let original = track.forks.load(Ordering::Relaxed) == track.original;
    if !original || !window.put(bytes) {
        window.settle(host);
        host.value(type_name::<R>(), bytes);
    }
}

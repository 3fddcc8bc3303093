//! A call with settings of its own.

use std::marker::PhantomData;

use super::call::{Call, Results};
use super::imap::{Imap, ImapUnordered, READ_AHEAD};
use super::{Pool, map};
use crate::error::{Error, Result, TryMapError};
use crate::registry::Function;

/// What one call can set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    pub(super) chunk_size: Option<usize>,
    pub(super) read_ahead: Option<usize>,
}

/// A function on its way into a pool, with settings of this one call.
///
/// ```
/// # use parproc::{Pool, parallel};
/// #[parallel]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// let squares = Pool::global()?.job(square).chunk_size(100).map(0..1000_u64)?;
/// assert_eq!(squares[999], 998_001);
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a job does nothing before items are given to it"]
pub struct Job<'pool, F> {
    pool: &'pool Pool,
    settings: Settings,
    function: PhantomData<fn(F)>,
}

impl<'pool, F> Job<'pool, F> {
    pub(super) fn new(pool: &'pool Pool) -> Self {
        Self {
            pool,
            settings: Settings::default(),
            function: PhantomData,
        }
    }

    /// How many items a worker is given at once, instead of what the pool finds right by measuring.
    ///
    /// 1 gives the fairest distribution of uneven items; larger values save work for tiny ones.
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.settings.chunk_size = Some(items);
        self
    }

    /// How many items a lazy call ([`imap`](Job::imap), [`imap_unordered`](Job::imap_unordered))
    /// reads at most before their results are taken; 1024 unless set.
    pub fn read_ahead(mut self, items: usize) -> Self {
        self.settings.read_ahead = Some(items);
        self
    }

    /// See [`Pool::map`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn map<A, M, I>(self, items: I) -> Result<Vec<F::Output>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        let items = items.into_iter();
        let expected = expected::<F::Output>(&items);
        map::map(self.call(items, None)?, expected)
    }

    /// See [`Pool::try_map`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn try_map<A, M, I, T, E>(self, items: I) -> Result<Vec<T>, TryMapError<E>>
    where
        F: Function<A, M, Output = Result<T, E>>,
        I: IntoIterator<Item = A>,
    {
        let items = items.into_iter();
        let expected = expected::<T>(&items);
        map::try_map(self.call(items, None)?, expected)
    }

    /// See [`Pool::for_each`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn for_each<A, M, I>(self, items: I) -> Result<()>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        map::for_each(self.call(items.into_iter(), None)?)
    }

    /// See [`Pool::outcomes`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn outcomes<A, M, I>(self, items: I) -> Result<Results<F::Output>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        let items = items.into_iter();
        let expected = expected::<F::Output>(&items);
        map::outcomes(self.call(items, None)?, expected)
    }

    /// See [`Pool::imap`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn imap<A, M, I>(self, items: I) -> Result<Imap<F, A, M, I::IntoIter>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        Ok(Imap::new(self.call(items.into_iter(), Some(READ_AHEAD))?))
    }

    /// See [`Pool::imap_unordered`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn imap_unordered<A, M, I>(self, items: I) -> Result<ImapUnordered<F, A, M, I::IntoIter>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        Ok(ImapUnordered::new(
            self.call(items.into_iter(), Some(READ_AHEAD))?,
        ))
    }

    fn call<A, M, I>(self, items: I, read_ahead: Option<usize>) -> Result<Call<F, A, M, I>>
    where
        F: Function<A, M>,
        I: Iterator<Item = A>,
    {
        let mut settings = self.settings;
        if settings.chunk_size == Some(0) {
            return Err(Error::invalid(
                "a chunk size of 0: a chunk has at least 1 item",
            ));
        }
        if settings.read_ahead == Some(0) {
            return Err(Error::invalid(
                "a read-ahead of 0: at least 1 item has to be read",
            ));
        }
        settings.read_ahead = read_ahead.map(|usual| settings.read_ahead.unwrap_or(usual));
        let function = self.pool.find::<F>()?;
        Call::new(self.pool.shared(), function, &settings, items)
    }
}

/// How much room to make for results; what an iterator claims is not trusted without limit.
fn expected<R>(items: &impl Iterator) -> usize {
    const MOST_BYTES: usize = 256 << 20;
    items.size_hint().0.min(MOST_BYTES / size_of::<R>().max(1))
}

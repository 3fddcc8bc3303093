//! Calls that stand behind their items, as adapters of iterators do.

use super::call::Results;
use super::{Imap, ImapUnordered, Pool};
use crate::error::{Result, TryMapError};
use crate::registry::Function;

/// The calls of the [global pool](Pool::global) as methods of whatever can be iterated.
///
/// It is meant to come with `use parproc::prelude::*`. Each method does what the method of [`Pool`] does
/// whose name it has, and takes the items by reading them in the calling thread, a bounded number ahead of the
/// workers. For another pool, or settings of one call, write `pool.map(f, items)` and
/// [`pool.job(f)`](Pool::job).
///
/// ```
/// use parproc::prelude::*;
///
/// #[parallel]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// #[parallel]
/// fn area(width: f64, height: f64) -> f64 {
///     width * height
/// }
///
/// assert_eq!((0..5).par_map(square)?, [0, 1, 4, 9, 16]);
/// assert_eq!([(1.0, 2.0), (3.0, 4.0)].par_map(area)?, [2.0, 12.0]);
///
/// // Adapters before it run here, ones behind it too.
/// let sizes = ["a", "bc"].iter().map(|text| text.len() as u64);
/// let odd = sizes.par_map(square)?.into_iter().filter(|n| n % 2 == 1);
/// assert!(odd.eq([1]));
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// It is no parallel iterator as rayon's: only the named function runs elsewhere, and results arrive here,
/// or in a lazy iterator, at once.
pub trait ParallelItems: IntoIterator + Sized {
    /// Calls `function` on every item and gives the results in the order of the items: [`Pool::map`].
    ///
    /// # Errors
    /// When an item fails, the error of the first one; and when no worker can be started.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    fn par_map<F, M>(self, function: F) -> Result<Vec<F::Output>>
    where
        F: Function<Self::Item, M>,
    {
        Pool::global()?.map(function, self)
    }

    /// Calls a function that returns a `Result` on every item, and gives the values in the order of the items,
    /// or the first error: [`Pool::try_map`].
    ///
    /// ```
    /// use parproc::prelude::*;
    ///
    /// #[parallel]
    /// fn parse(text: &str) -> Result<i32, String> {
    ///     text.parse().map_err(|_| format!("{text:?} is no number"))
    /// }
    ///
    /// assert_eq!("1 2 3".split(' ').par_try_map(parse).unwrap(), [1, 2, 3]);
    /// let error = "1 x 3".split(' ').par_try_map(parse).unwrap_err();
    /// assert_eq!(error.to_string(), "item 1: \"x\" is no number");
    /// ```
    ///
    /// # Errors
    /// [`TryMapError::Item`] with the `Err` of the first item that returned one, [`TryMapError::Call`] for all
    /// that [`par_map`](Self::par_map) fails with.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    fn par_try_map<F, M, T, E>(self, function: F) -> Result<Vec<T>, TryMapError<E>>
    where
        F: Function<Self::Item, M, Output = Result<T, E>>,
    {
        Pool::global()?.try_map(function, self)
    }

    /// Calls `function` on every item for its effects: [`Pool::for_each`].
    ///
    /// # Errors
    /// As for [`par_map`](Self::par_map).
    ///
    /// # Panics
    /// When the iterator of the items panics.
    fn par_for_each<F, M>(self, function: F) -> Result<()>
    where
        F: Function<Self::Item, M>,
    {
        Pool::global()?.for_each(function, self)
    }

    /// Calls `function` on every item and gives the result or the failure of each one, in the order of the
    /// items: [`Pool::outcomes`].
    ///
    /// ```
    /// use parproc::prelude::*;
    ///
    /// #[parallel]
    /// fn checked(x: u32) -> u32 {
    ///     if x == 1 {
    ///         std::process::abort();
    ///     }
    ///     x
    /// }
    ///
    /// let outcomes = (0..3).par_outcomes(checked)?;
    /// assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    /// assert!(outcomes[1].as_ref().unwrap_err().is_crash());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When no worker can be started, and others that concern the whole call; never for an item.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    fn par_outcomes<F, M>(self, function: F) -> Result<Results<F::Output>>
    where
        F: Function<Self::Item, M>,
    {
        Pool::global()?.outcomes(function, self)
    }

    /// Calls `function` on items as results are taken, in the order of the items, which may be endless:
    /// [`Pool::imap`].
    ///
    /// ```
    /// use parproc::prelude::*;
    ///
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let mut squares = (1..).par_imap(square)?;
    /// let first = squares.find(|square| square.as_ref().is_ok_and(|square| *square > 500));
    /// assert_eq!(first.unwrap()?, 529);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Dropping the iterator ends the call.
    ///
    /// # Errors
    /// When the function is not registered.
    fn par_imap<F, M>(self, function: F) -> Result<Imap<F, Self::Item, M, Self::IntoIter>>
    where
        F: Function<Self::Item, M>,
    {
        Pool::global()?.imap(function, self)
    }

    /// As [`par_imap`](Self::par_imap), but gives each result as soon as it is there, with the item's index:
    /// [`Pool::imap_unordered`].
    ///
    /// # Errors
    /// When the function is not registered.
    fn par_imap_unordered<F, M>(
        self,
        function: F,
    ) -> Result<ImapUnordered<F, Self::Item, M, Self::IntoIter>>
    where
        F: Function<Self::Item, M>,
    {
        Pool::global()?.imap_unordered(function, self)
    }
}

impl<I: IntoIterator> ParallelItems for I {}

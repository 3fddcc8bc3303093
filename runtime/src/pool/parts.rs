//! Shared arrays whose parts are changed by tasks.

use std::marker::PhantomData;

use super::Pool;
use super::job::{Decide, Job};
use crate::error::{Failure, Result};
use crate::registry::{Encoder, Function};
use crate::shared::{Plain, SharedArray, SharedPart};
use crate::wire::{Output, encode_argument};

/// Calls `function` on each piece of `chunk` elements of a shared array, in worker processes of the
/// [global pool](Pool::global). The last piece may be shorter.
///
/// The function takes a `&mut [T]`, or a [`SharedPart<T>`](SharedPart), which also says where its elements are. It
/// works on the memory of the array itself: nothing is copied, and nobody else can use the array meanwhile.
///
/// ```
/// use parproc::{SharedArray, par_chunks_mut, parallel};
///
/// #[parallel]
/// fn square(numbers: &mut [u64]) {
///     for number in numbers {
///         *number *= *number;
///     }
/// }
///
/// let mut numbers = SharedArray::from_slice(&[1, 2, 3, 4, 5])?;
/// par_chunks_mut(&mut numbers, 2, square)?;
/// assert_eq!(numbers.to_vec()?, [1, 4, 9, 16, 25]);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// More arguments, and results, are possible with [`SharedArray::split_chunks`] and [`par_map`](crate::par_map).
///
/// # Errors
/// As for [`Pool::for_each`], and when the array cannot be split: see [`SharedArray::split`]. After an error
/// some pieces may be changed, some not, and some by half; all are back.
pub fn par_chunks_mut<F, T, M>(array: &mut SharedArray<T>, chunk: usize, function: F) -> Result<()>
where
    F: Function<SharedPart<T>, M>,
    T: Plain,
{
    Pool::global()?.par_chunks_mut(array, chunk, function)
}

impl Pool {
    /// Calls `function` on each piece of `chunk` elements of a shared array; see
    /// [`par_chunks_mut`](crate::par_chunks_mut()).
    ///
    /// # Errors
    /// As there.
    pub fn par_chunks_mut<F, T, M>(
        &self,
        array: &mut SharedArray<T>,
        chunk: usize,
        function: F,
    ) -> Result<()>
    where
        F: Function<SharedPart<T>, M>,
        T: Plain,
    {
        self.job(function).par_chunks_mut(array, chunk)
    }
}

impl<F, P> Job<'_, F, P> {
    /// See [`par_chunks_mut`](crate::par_chunks_mut()).
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn par_chunks_mut<T, M>(self, array: &mut SharedArray<T>, chunk: usize) -> Result<()>
    where
        F: Function<SharedPart<T>, M>,
        P: Decide<F::Output>,
        T: Plain,
    {
        let done = self.for_each(array.split_chunks(chunk)?);
        // What was not begun after an error keeps its part, and what was begun changes it for a while.
        array.reclaim();
        array.wait_for_parts()?;
        done
    }
}

/// Stands for a `&mut [T]` where types tell functions apart.
#[doc(hidden)]
#[derive(Debug)]
#[expect(unnameable_types, reason = "always inferred")]
pub struct Lent<T>(PhantomData<T>);

/// Functions that take a part of an array as a `&mut [T]`.
macro_rules! lent_parts {
    ($(($($before:ident)*) ($($after:ident)*);)+) => {$(
        impl<F, $($before,)* T, $($after,)* R>
            Function<($($before,)* SharedPart<T>, $($after,)*), fn($($before,)* Lent<T>, $($after,)*) -> R> for F
        where
            F: for<'a> Fn($($before,)* &'a mut [T], $($after,)*) -> R + Copy + 'static,
            $($before: serde::Serialize,)*
            $($after: serde::Serialize,)*
            T: Plain,
            R: Output,
        {
            type Output = R;

            #[expect(non_snake_case, reason = "each value is named as its type")]
            fn encode(
                ($($before,)* part, $($after,)*): ($($before,)* SharedPart<T>, $($after,)*),
                payload: Encoder<'_>,
            ) -> Result<(), Failure> {
                $(encode_argument($before, payload.0)?;)*
                encode_argument(part, payload.0)?;
                $(encode_argument($after, payload.0)?;)*
                Ok(())
            }
        }
    )+};
}

lent_parts! {
    (A) ();
    () (A);
    (A B) ();
    (A) (B);
    () (A B);
    (A B C) ();
    () (A B C);
}

impl<F, T, R> Function<SharedPart<T>, fn(Lent<T>) -> R> for F
where
    F: for<'a> Fn(&'a mut [T]) -> R + Copy + 'static,
    T: Plain,
    R: Output,
{
    type Output = R;

    fn encode(part: SharedPart<T>, payload: Encoder<'_>) -> Result<(), Failure> {
        encode_argument(part, payload.0)
    }
}

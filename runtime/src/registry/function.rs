//! Functions as values: what `par_map` accepts as its first argument.

use serde::Serialize;

use crate::error::Failure;
use crate::wire::{Output, Payload, encode_argument, number_width, put_number};

/// A function that can be handed to a pool, with items of type `Items`.
///
/// It is implemented for every function of up to eight arguments whose arguments are [`Serialize`]
/// and whose result is [`Serialize`] and deserializable. One argument is passed as it is, several
/// as a tuple, none as `()`. `Marker` only tells these cases apart and is always inferred.
///
/// An item has exactly the type of the argument: for `fn count(text: &str)` and a `Vec<String>` named
/// `texts`, the items are `texts.iter().map(String::as_str)`.
///
/// Whether the function carries `#[parallel]` is found out when it is used.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run over items of type `{Items}`",
    note = "one argument is passed as it is, several as a tuple, none as `()`",
    note = "arguments have to implement `serde::Serialize`, results also `serde::Deserialize`"
)]
pub trait Function<Items, Marker>: Copy + 'static {
    /// What the function returns.
    type Output: Output;

    #[doc(hidden)]
    fn encode(item: Items, payload: Encoder<'_>) -> Result<(), Failure>;

    /// The bytes of an item, if it is one plain number; else 0.
    #[doc(hidden)]
    fn width() -> usize {
        0
    }

    /// Puts an item that is one plain number into its place in a row.
    #[doc(hidden)]
    fn put_number(_item: Items, _slot: &mut [u8]) {}
}

/// Takes the arguments of one item.
#[doc(hidden)]
#[derive(Debug)]
pub struct Encoder<'a>(pub(crate) &'a mut Payload);

impl<F, R> Function<(), fn() -> R> for F
where
    F: Fn() -> R + Copy + 'static,
    R: Output,
{
    type Output = R;

    fn encode((): (), _payload: Encoder<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

impl<F, A, R> Function<A, fn(A) -> R> for F
where
    F: Fn(A) -> R + Copy + 'static,
    A: Serialize,
    R: Output,
{
    type Output = R;

    fn encode(item: A, payload: Encoder<'_>) -> Result<(), Failure> {
        encode_argument(item, payload.0)
    }

    fn width() -> usize {
        number_width::<A>()
    }

    #[inline]
    fn put_number(item: A, slot: &mut [u8]) {
        put_number(&item, slot);
    }
}

macro_rules! several_arguments {
    ($($($A:ident)+;)+) => {$(
        impl<F, $($A,)+ R> Function<($($A,)+), fn($($A,)+) -> R> for F
        where
            F: Fn($($A,)+) -> R + Copy + 'static,
            $($A: Serialize,)+
            R: Output,
        {
            type Output = R;

            #[expect(non_snake_case, reason = "each value is named as its type")]
            fn encode(($($A,)+): ($($A,)+), payload: Encoder<'_>) -> Result<(), Failure> {
                $(encode_argument($A, payload.0)?;)+
                Ok(())
            }
        }
    )+};
}

several_arguments! {
    A1 A2;
    A1 A2 A3;
    A1 A2 A3 A4;
    A1 A2 A3 A4 A5;
    A1 A2 A3 A4 A5 A6;
    A1 A2 A3 A4 A5 A6 A7;
    A1 A2 A3 A4 A5 A6 A7 A8;
}

//! The types of values that several processes may write: those for which every bit pattern is a value.

use bytemuck::{CheckedBitPattern, NoUninit, Pod};

/// A type that can be placed in memory which other processes write.
///
/// What another process wrote is bytes, whatever the types promise: a fault there may have scribbled over them.
/// So a value in such memory must be one for which every bit pattern is valid, and it must not point anywhere,
/// since addresses mean nothing in another process. That is [`bytemuck::Pod`], and every type that
/// implements it is `Plain`: integers, floats, arrays of them, and structs that derive it. `bool` is `Plain`
/// too: it is kept as a byte, and every byte but 0 is read as `true`.
///
/// `String`, `Vec`, references, `char` and enums are not. Values of these can be passed as arguments, sent
/// through channels, or placed in a [`Shared`](crate::shared::Shared), which nobody writes.
///
/// The trait cannot be implemented for other types. Derive `Pod` instead; the compiler refuses structs
/// with padding, pointers or invalid bit patterns. [`parproc::bytemuck`](bytemuck) is the crate for
/// programs that do not name it in their own manifest:
///
/// ```
/// use parproc::bytemuck::{Pod, Zeroable};
/// use parproc::SharedArray;
///
/// #[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
/// #[bytemuck(crate = "parproc::bytemuck")]
/// #[repr(C)]
/// struct Body {
///     place: [f64; 3],
///     mass: f64,
/// }
///
/// let bodies = SharedArray::<Body>::new(1000)?;
/// bodies.set(3, Body { place: [1.0, 2.0, 3.0], mass: 0.5 })?;
/// assert_eq!(bodies.get(3)?.mass, 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be placed in memory that other processes write",
    label = "not every bit pattern is a `{Self}`, or it points to memory of one process",
    note = "numbers, `bool`, arrays of numbers and `#[repr(C)]` structs that derive `bytemuck::Pod` can be",
    note = "any serde type can be read by all processes from a `Shared<T>`, or sent through a channel"
)]
pub trait Plain: NoUninit + CheckedBitPattern<Bits: Pattern<Self>> + Send + Sync + 'static {}

impl<T> Plain for T where T: NoUninit + CheckedBitPattern<Bits: Pattern<T>> + Send + Sync + 'static {}

/// The bytes of a `T`, of which every pattern gives a value.
#[doc(hidden)]
#[expect(unnameable_types, reason = "nobody else implements it")]
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be placed in memory that other processes write",
    label = "not every bit pattern is a `{T}`",
    note = "numbers, `bool`, arrays of numbers and `#[repr(C)]` structs that derive `bytemuck::Pod` can be"
)]
pub trait Pattern<T>: sealed::Sealed<T> {
    /// Whether some patterns must be replaced before memory is looked at as `T`.
    const CHECKED: bool;

    /// The value that the pattern stands for.
    fn value(self) -> T;

    /// The pattern that a `T` of this value has.
    fn repaired(self) -> Self;
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed<T> {}
    impl<T: bytemuck::Pod> Sealed<T> for T {}
    impl Sealed<bool> for u8 {}
}

impl<T: Pod> Pattern<T> for T {
    const CHECKED: bool = false;

    #[inline]
    fn value(self) -> T {
        self
    }

    #[inline]
    fn repaired(self) -> Self {
        self
    }
}

impl Pattern<bool> for u8 {
    const CHECKED: bool = true;

    #[inline]
    fn value(self) -> bool {
        self != 0
    }

    #[inline]
    fn repaired(self) -> Self {
        u8::from(self != 0)
    }
}

/// The value that these bytes stand for.
#[inline]
pub(crate) fn value_of<T: Plain>(bits: T::Bits) -> T {
    bits.value()
}

/// Whether memory with these patterns may be looked at as a slice of `T`.
pub(crate) fn all_valid<T: Plain>(bits: &[T::Bits]) -> bool {
    !<T::Bits as Pattern<T>>::CHECKED || bits.iter().all(T::is_valid_bit_pattern)
}

/// Makes memory fit to be looked at as a slice of `T`.
pub(crate) fn repair<T: Plain>(bits: &mut [T::Bits]) {
    if <T::Bits as Pattern<T>>::CHECKED {
        for pattern in bits {
            *pattern = pattern.repaired();
        }
    }
}

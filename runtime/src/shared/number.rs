//! Numbers that can be counted up and down in place by several processes.

#![expect(
    unsafe_code,
    reason = "an element in shared memory is used as an atomic"
)]

use std::fmt::Debug;
use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize, Ordering::SeqCst,
};

use super::Plain;
use super::atomic::Place;

mod sealed {
    use super::Place;

    #[expect(unnameable_types, reason = "nobody else implements it")]
    /// Changes of a place; each gives what was there before.
    pub trait Count: Sized {
        fn add(place: Place<Self>, value: Self) -> Self;
        fn sub(place: Place<Self>, value: Self) -> Self;
        fn min(place: Place<Self>, value: Self) -> Self;
        fn max(place: Place<Self>, value: Self) -> Self;
    }

    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Bits: Sized {
        fn and(place: Place<Self>, value: Self) -> Self;
        fn or(place: Place<Self>, value: Self) -> Self;
        fn xor(place: Place<Self>, value: Self) -> Self;
    }
}

pub(super) use sealed::{Bits, Count};

/// A number with the operations `fetch_add`, `fetch_sub`, `fetch_min` and `fetch_max` in shared memory:
/// integers of up to 64 bits, which wrap around, `f32` and `f64`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to in shared memory",
    note = "integers of up to 64 bits and floats can; other values can be changed by `compare_exchange`"
)]
pub trait Number: Plain + Debug + sealed::Count {}

/// An integer of up to 64 bits, which has the operations of the [standard atomics](std::sync::atomic).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no bit operations in shared memory",
    note = "integers of up to 64 bits do"
)]
pub trait Integer: Number + sealed::Bits {
    /// The standard atomic of this type.
    type Atomic: Debug + Sync;
}

macro_rules! integers {
    ($($type:ty: $atomic:ty,)*) => { $(
        impl Count for $type {
            integers!(@ $type: $atomic; add fetch_add, sub fetch_sub, min fetch_min, max fetch_max);
        }

        impl Bits for $type {
            integers!(@ $type: $atomic; and fetch_and, or fetch_or, xor fetch_xor);
        }

        impl Number for $type {}

        impl Integer for $type {
            type Atomic = $atomic;
        }
    )* };
    (@ $type:ty: $atomic:ty; $($name:ident $of_std:ident),*) => { $(
        #[inline]
        fn $name(place: Place<Self>, value: Self) -> Self {
            // SAFETY: of the right size, and gone before the place is.
            unsafe { place.atomic::<$atomic>() }.$of_std(value, SeqCst)
        }
    )* };
}

integers! {
    i8: AtomicI8, i16: AtomicI16, i32: AtomicI32, i64: AtomicI64, isize: AtomicIsize,
    u8: AtomicU8, u16: AtomicU16, u32: AtomicU32, u64: AtomicU64, usize: AtomicUsize,
}

macro_rules! floats {
    ($($type:ty)*) => { $(
        impl Count for $type {
            #[inline]
            fn add(place: Place<Self>, value: Self) -> Self {
                place.update(|before| before + value)
            }

            #[inline]
            fn sub(place: Place<Self>, value: Self) -> Self {
                place.update(|before| before - value)
            }

            #[inline]
            fn min(place: Place<Self>, value: Self) -> Self {
                place.update(|before| before.min(value))
            }

            #[inline]
            fn max(place: Place<Self>, value: Self) -> Self {
                place.update(|before| before.max(value))
            }
        }

        impl Number for $type {}
    )* };
}

floats! { f32 f64 }

//! Plain data: numbers, and vectors and slices of them, which are copied and not serialised.

#![expect(
    unsafe_code,
    reason = "a generic value is looked at as the type that it was found to be"
)]

use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::mem::ManuallyDrop;

use bytemuck::Pod;

use super::Landing;

/// Runs `$body` with `$P` standing for each plain type in turn.
macro_rules! for_each_plain {
    ($P:ident => $body:block) => {
        for_each_plain!(@ $P $body: u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64)
    };
    (@ $P:ident $body:block: $($type:ty)*) => { $({ type $P = $type; $body })* };
}

/// The bytes of `value`, if it is a plain number, or a reference to one, or a vector or slice of
/// plain numbers, or a reference to one.
pub(super) fn bytes_of<T>(value: &T) -> Option<&[u8]> {
    for_each_plain!(P => {
        if let Some(number) = view::<T, P>(value) {
            return Some(bytemuck::bytes_of(number));
        }
        if let Some(vector) = view::<T, Vec<P>>(value) {
            return Some(bytemuck::cast_slice(vector.as_slice()));
        }
        if let Some(slice) = view::<T, &[P]>(value) {
            return Some(bytemuck::cast_slice(slice));
        }
        if let Some(vector) = view::<T, &Vec<P>>(value) {
            return Some(bytemuck::cast_slice(vector.as_slice()));
        }
        if let Some(number) = view::<T, &P>(value) {
            return Some(bytemuck::bytes_of(*number));
        }
    });
    None
}

/// `value` as a `U`, if that is what it is, but for lifetimes.
fn view<T, U>(value: &T) -> Option<&U> {
    (typeid::of::<T>() == typeid::of::<U>()).then(|| {
        // SAFETY: the types are the same up to lifetimes, and so is their layout. The caller above
        // names no type with a lifetime that outlives the borrow of `value`.
        unsafe { &*std::ptr::from_ref(value).cast::<U>() }
    })
}

/// Memory that belongs to somebody, as bytes.
pub(crate) trait Block: Send + Debug {
    fn bytes(&self) -> &[u8];
}

impl<P: Pod + Send + Debug> Block for Vec<P> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

/// Takes a vector of plain numbers as it is; gives back anything else.
pub(super) fn into_block<T>(value: T) -> Result<Box<dyn Block>, T> {
    let mut value = value;
    for_each_plain!(P => {
        value = match own::<T, Vec<P>>(value) {
            Ok(vector) => return Ok(Box::new(vector)),
            Err(value) => value,
        };
    });
    Err(value)
}

fn own<T, U: 'static>(value: T) -> Result<U, T> {
    if typeid::of::<T>() != TypeId::of::<U>() {
        return Err(value);
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: `U` has no lifetimes, so the types are the very same, and `value` is not used again.
    Ok(unsafe { std::mem::transmute_copy::<T, U>(&value) })
}

/// How a value of some type is made from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    Vector,
    Serde,
}

pub(super) fn shape<T: 'static>() -> Shape {
    let wanted = TypeId::of::<T>();
    for_each_plain!(P => {
        if wanted == TypeId::of::<P>() {
            return Shape::Number;
        }
        if wanted == TypeId::of::<Vec<P>>() {
            return Shape::Vector;
        }
    });
    Shape::Serde
}

/// The plain value with these bytes; none if `T` is not plain or the length does not fit.
pub(super) fn from_bytes<T: 'static>(bytes: &[u8]) -> Option<T> {
    let mut slot: Option<T> = None;
    let any: &mut dyn Any = &mut slot;
    for_each_plain!(P => {
        if let Some(number) = any.downcast_mut::<Option<P>>() {
            *number = bytemuck::try_pod_read_unaligned(bytes).ok();
            return slot;
        }
        if let Some(vector) = any.downcast_mut::<Option<Vec<P>>>() {
            if bytes.len().is_multiple_of(size_of::<P>()) {
                *vector = Some(bytemuck::pod_collect_to_vec(bytes));
            }
            return slot;
        }
    });
    None
}

/// A zeroed vector for `len` bytes, if `T` is a vector of plain numbers.
///
/// The inner option is empty when the length does not fit or there is no memory for it.
pub(super) fn zeroed<T: 'static>(len: usize) -> Option<Option<Box<dyn Landing>>> {
    let wanted = TypeId::of::<T>();
    for_each_plain!(P => {
        if wanted == TypeId::of::<Vec<P>>() {
            if !len.is_multiple_of(size_of::<P>()) {
                return Some(None);
            }
            let boxed = bytemuck::allocation::try_zeroed_slice_box::<P>(len / size_of::<P>());
            return Some(boxed.ok().map(|boxed| Box::new(Vec::from(boxed)) as Box<dyn Landing>));
        }
    });
    None
}

impl<P: Pod + Send + Debug> Landing for Vec<P> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

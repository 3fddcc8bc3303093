//! Plain data: numbers, vectors and slices of them, and text, which are copied and not serialised.

#![expect(
    unsafe_code,
    reason = "a generic value is looked at as the type that it was found to be"
)]

use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::mem::ManuallyDrop;

use bytemuck::Pod;

use super::Landing;
use super::loan::{Borrower, Loan};
use super::words::{Recycled, Words};

/// Runs `$body` with `$P` standing for each plain type in turn.
macro_rules! for_each_plain {
    ($P:ident => $body:block) => {
        for_each_plain!(@ $P $body: u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64)
    };
    (@ $P:ident $body:block: $($type:ty)*) => { $({ type $P = $type; $body })* };
}
pub(super) use for_each_plain;

/// The bytes of `value`, if it is a plain number, a vector or slice of plain numbers, text, or a reference
/// to one of these.
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
    let text = view::<T, String>(value).map(String::as_str);
    let text = text.or_else(|| view::<T, &str>(value).copied());
    let text = text.or_else(|| view::<T, &String>(value).map(|text| text.as_str()));
    text.map(str::as_bytes)
}

/// The size of a `T` if it is a plain number or a reference to one, else 0.
pub(super) fn width<T>() -> usize {
    let found = typeid::of::<T>();
    for_each_plain!(P => {
        if found == TypeId::of::<P>() || found == TypeId::of::<&P>() {
            return size_of::<P>();
        }
    });
    0
}

/// `value` as a `U`, if that is what it is, but for lifetimes.
#[inline]
pub(super) fn view<T: ?Sized, U>(value: &T) -> Option<&U> {
    (typeid::of::<T>() == typeid::of::<U>()).then(|| {
        // SAFETY: the types are the same up to lifetimes, and so is their layout. The caller above
        // names no type with a lifetime that outlives the borrow of `value`.
        unsafe { &*std::ptr::from_ref(value).cast::<U>() }
    })
}

/// What elements of one type are, once one of them was found to be a plain number or a reference to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elements {
    element: TypeId,
    width: usize,
    referred: bool,
}

impl Elements {
    /// None if `T` is no plain number and no reference to one.
    pub(super) fn new<T: ?Sized>() -> Option<Self> {
        let element = typeid::of::<T>();
        for_each_plain!(P => {
            let referred = element == TypeId::of::<&P>();
            if referred || element == TypeId::of::<P>() {
                return Some(Self {
                    element,
                    width: size_of::<P>(),
                    referred,
                });
            }
        });
        None
    }

    /// The bytes of the number, if it is of the type of these elements.
    #[inline]
    pub(super) fn bytes<'a, T: ?Sized>(&self, element: &'a T) -> Option<&'a [u8]> {
        if typeid::of::<T>() != self.element {
            return None;
        }
        let mut start = std::ptr::from_ref(element).cast::<u8>();
        if self.referred {
            // SAFETY: `T` is a reference to a number, and that is at the address that it holds.
            start = unsafe { *start.cast::<*const u8>() };
        }
        // SAFETY: it is the address of a plain number with so many bytes, none of them padding.
        Some(unsafe { std::slice::from_raw_parts(start, self.width) })
    }
}

/// Takes a vector of plain numbers, or text, as it is; gives back anything else.
pub(super) fn into_words<T>(value: T) -> Result<Words, T> {
    let mut value = value;
    for_each_plain!(P => {
        value = match own::<T, Vec<P>>(value) {
            Ok(vector) => return Ok(Words::new(vector)),
            Err(value) => value,
        };
    });
    own::<T, String>(value).map(|text| Words::new(text.into_bytes()))
}

/// Borrows the bytes of a slice or text, or of a reference to a vector, from the one who lends it.
pub(super) fn lend<T>(value: &T, borrower: &Borrower) -> Option<Loan> {
    // All that is plain and larger than this is in memory behind a pointer; and what has nothing to drop
    // does not own that memory.
    const LARGEST: usize = size_of::<u128>();
    let bytes = bytes_of(value).filter(|bytes| bytes.len() > LARGEST)?;
    if std::mem::needs_drop::<T>() {
        return None;
    }
    // SAFETY: so it is what a reference in `T` refers to. The lender is younger than all lifetimes in the
    // types that it lends, and is dropped before they end.
    Some(unsafe { borrower.lend(bytes) })
}

fn own<T, U: 'static>(value: T) -> Result<U, T> {
    if typeid::of::<T>() != TypeId::of::<U>() {
        return Err(value);
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: `U` has no lifetimes, so the types are the very same, and `value` is not used again.
    Ok(unsafe { std::mem::transmute_copy::<T, U>(&value) })
}

/// `value` under the other name of its type, if that is one.
pub(super) fn named<T: 'static, U>(value: T) -> Option<U> {
    if typeid::of::<U>() != TypeId::of::<T>() {
        return None;
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: as in `own`, since here `T` has no lifetimes.
    Some(unsafe { std::mem::transmute_copy::<T, U>(&value) })
}

/// How a value of some type is made from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    Vector,
    Text,
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
    if wanted == TypeId::of::<String>() {
        return Shape::Text;
    }
    Shape::Serde
}

/// The plain number with these bytes; none if `T` is no plain number or the length does not fit.
#[inline]
pub(super) fn number<T: 'static>(bytes: &[u8]) -> Option<T> {
    let mut slot: Option<T> = None;
    let any: &mut dyn Any = &mut slot;
    for_each_plain!(P => {
        if let Some(number) = any.downcast_mut::<Option<P>>() {
            *number = bytemuck::try_pod_read_unaligned(bytes).ok();
            return slot;
        }
    });
    None
}

/// The plain value with these bytes; none if `T` is not plain or they do not fit.
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
                *vector = Some(vector_of(bytes));
            }
            return slot;
        }
    });
    if let Some(text) = any.downcast_mut::<Option<String>>() {
        *text = str::from_utf8(bytes).ok().map(str::to_owned);
    }
    slot
}

/// The numbers with these bytes, at any address; what is too little for a last number is left out.
pub(super) fn vector_of<P: Pod>(bytes: &[u8]) -> Vec<P> {
    // Both are one copy, into memory that nobody clears before.
    match bytemuck::try_cast_slice(bytes) {
        Ok(numbers) => numbers.to_vec(),
        Err(_) => {
            let numbers = bytes.chunks_exact(size_of::<P>());
            numbers.map(bytemuck::pod_read_unaligned).collect()
        }
    }
}

/// Appends the numbers with these bytes, as [`vector_of`] makes them.
pub(super) fn extend<P: Pod>(vector: &mut Vec<P>, bytes: &[u8]) {
    match bytemuck::try_cast_slice(bytes) {
        Ok(numbers) => vector.extend_from_slice(numbers),
        Err(_) => {
            let numbers = bytes.chunks_exact(size_of::<P>());
            vector.extend(numbers.map(bytemuck::pod_read_unaligned::<P>));
        }
    }
}

/// The text with these bytes, if `T` is text and they are.
pub(super) fn from_text<T: 'static>(bytes: Vec<u8>) -> Option<T> {
    let text = String::from_utf8(bytes).ok()?;
    own::<String, T>(text).ok()
}

/// A vector for `len` bytes to be written over, if `T` is a vector of plain numbers.
///
/// The inner option is empty when the length does not fit or there is no memory for it.
pub(super) fn room<T: 'static>(
    len: usize,
    recycled: &mut Recycled,
) -> Option<Option<Box<dyn Landing>>> {
    let wanted = TypeId::of::<T>();
    for_each_plain!(P => {
        if wanted == TypeId::of::<Vec<P>>() {
            if !len.is_multiple_of(size_of::<P>()) {
                return Some(None);
            }
            let room = room_for::<P>(len / size_of::<P>(), recycled);
            return Some(room.map(|vector| Box::new(vector) as Box<dyn Landing>));
        }
    });
    None
}

/// A vector of `count` numbers, to be written over.
pub(super) fn room_for<P: Pod>(count: usize, recycled: &mut Recycled) -> Option<Vec<P>> {
    recycled.take(count).or_else(|| {
        let fresh = bytemuck::allocation::try_zeroed_slice_box::<P>(count);
        fresh.ok().map(Vec::from)
    })
}

impl<P: Pod + Send + Debug> Landing for Vec<P> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

//! What the types of a signature mean: how an argument is passed, what cannot leave its process.

use crate::mistakes::Mistakes;
use syn::visit::Visit;
use syn::{
    Expr, Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeImplTrait, TypePath,
    TypeReference,
};

/// How a worker hands an argument to the function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Passing {
    /// By value: `T`.
    Owned,
    /// Text, lent: `&str`.
    Text,
    /// A `Vec`, lent: `&[T]`.
    Slice,
    /// A part of a shared array, lent: `&mut [T]`.
    Part,
    /// A value, lent: `&T`.
    Lent,
    /// What `ToOwned` says, lent: `&Path`.
    Unsized,
}

impl Passing {
    pub(crate) fn of(ty: &Type) -> Self {
        let Type::Reference(reference) = bare(ty) else {
            return Passing::Owned;
        };
        match bare(&reference.elem) {
            Type::Slice(_) if reference.mutability.is_some() => Passing::Part,
            Type::Slice(_) => Passing::Slice,
            Type::Path(path) if is_str(path) => Passing::Text,
            Type::Path(path) if is_unsized(path) => Passing::Unsized,
            _ => Passing::Lent,
        }
    }
}

/// What of an argument's type goes from process to process: the type without its outermost borrow.
pub(crate) fn sent(ty: &Type) -> &Type {
    match bare(ty) {
        Type::Reference(reference) => bare(&reference.elem),
        ty => ty,
    }
}

/// The type without parentheses, and without the invisible ones that a declarative macro puts
/// around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// Whether this is `str`, or a path such as `core::primitive::str`.
fn is_str(ty: &TypePath) -> bool {
    let mut segments = ty.path.segments.iter().rev();
    let last = segments
        .next()
        .is_some_and(|segment| segment.ident == "str");
    last && segments
        .next()
        .is_none_or(|segment| segment.ident == "primitive")
}

/// Whether this is called like an unsized type of the standard library that has an owned form. If
/// it is another type of that name, its owned form is itself.
fn is_unsized(ty: &TypePath) -> bool {
    let last = ty.path.segments.last();
    last.is_some_and(|segment| {
        segment.arguments.is_none()
            && ["Path", "OsStr", "CStr"]
                .iter()
                .any(|name| segment.ident == name)
    })
}

/// Finds what an argument's type cannot be.
pub(crate) fn check_argument(ty: &Type, mistakes: &mut Mistakes) {
    match bare(ty) {
        Type::Reference(reference) => {
            if let Some(mutability) = &reference.mutability
                && Passing::of(ty) != Passing::Part
            {
                mistakes.at(mutability, MUTABLE);
            }
            if let Some(lifetime) = reference
                .lifetime
                .as_ref()
                .filter(|lifetime| lifetime.ident == "static")
            {
                mistakes.at(
                    lifetime,
                    "a worker lends an argument for the length of the call, not for `'static`: \
                     take a shorter borrow, or the value",
                );
            }
            match bare(&reference.elem) {
                Type::TraitObject(object) => mistakes.at(
                    object,
                    "a trait object cannot be sent to another process: take a concrete type, such \
                     as an enum",
                ),
                elem => Check {
                    mistakes,
                    side: Side::Argument,
                }
                .visit_type(elem),
            }
        }
        ty => Check {
            mistakes,
            side: Side::Argument,
        }
        .whole(ty),
    }
}

/// Finds what a result's type cannot be.
pub(crate) fn check_result(ty: &Type, mistakes: &mut Mistakes) {
    match bare(ty) {
        Type::Never(never) => mistakes.at(
            never,
            "a function that never returns has no result to send back: declare a result type, such \
             as `()`",
        ),
        ty => Check {
            mistakes,
            side: Side::Result,
        }
        .whole(ty),
    }
}

const MUTABLE: &str = "a `&mut` argument cannot be changed from another process: take the value and return it, or a \
     `&mut [T]` that is a part of a `SharedArray`";

/// Which way a value goes.
enum Side {
    Argument,
    Result,
}

/// A walk over a type.
struct Check<'a> {
    mistakes: &'a mut Mistakes,
    side: Side,
}

impl Check<'_> {
    /// Checks a type that stands for a whole argument or result.
    fn whole(&mut self, ty: &Type) {
        match ty {
            Type::Ptr(pointer) => self.mistakes.at(
                pointer,
                "an address means nothing in another process: pass the value itself",
            ),
            Type::FnPtr(pointer) => self.mistakes.at(
                pointer,
                "an address means nothing in another process: pass a value that tells which \
                 function to call",
            ),
            ty => self.visit_type(ty),
        }
    }
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        match (&self.side, &reference.mutability) {
            (Side::Argument, Some(mutability)) => self.mistakes.at(mutability, MUTABLE),
            (Side::Argument, None) => self.mistakes.at(
                reference.and_token,
                "a worker can lend a whole argument, but no part of it: use an owned type here, \
                 such as `String` or `Vec`",
            ),
            (Side::Result, _) => self.mistakes.at(
                reference.and_token,
                "a borrow cannot come back from another process: return an owned value, such as \
                 `String` or `Vec`",
            ),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if matches!(self.side, Side::Result) && lifetime.ident != "static" {
            self.mistakes.at(
                lifetime,
                "a borrow cannot come back from another process: return an owned value, here with \
                 `'static`",
            );
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let message = match self.side {
            Side::Argument => {
                "an `impl Trait` argument stands for any number of types: take a concrete type, or \
                 a generic parameter whose types `for(T = […])` lists"
            }
            Side::Result => {
                "the other process cannot know the type behind `impl Trait`: return a concrete type"
            }
        };
        self.mistakes.at(ty, message);
    }

    // What a function takes is no part of a value. The trait bounds decide about such types.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}

    // The length of an array.
    fn visit_expr(&mut self, _: &'ast Expr) {}
}

#[cfg(test)]
mod tests {
    use super::Passing;
    use syn::parse_quote;

    #[test]
    fn borrows_are_lent() {
        assert_eq!(Passing::of(&parse_quote!(String)), Passing::Owned);
        assert_eq!(Passing::of(&parse_quote!(&str)), Passing::Text);
        assert_eq!(
            Passing::of(&parse_quote!(&'a (core::primitive::str))),
            Passing::Text
        );
        assert_eq!(Passing::of(&parse_quote!(&my::str)), Passing::Lent);
        assert_eq!(Passing::of(&parse_quote!(&'a [u8])), Passing::Slice);
        assert_eq!(Passing::of(&parse_quote!(&mut [u8])), Passing::Part);
        assert_eq!(Passing::of(&parse_quote!(&[u8; 4])), Passing::Lent);
        assert_eq!(Passing::of(&parse_quote!((&Config))), Passing::Lent);
        assert_eq!(
            Passing::of(&parse_quote!(&std::path::Path)),
            Passing::Unsized
        );
        assert_eq!(Passing::of(&parse_quote!(&Path<f64>)), Passing::Lent);
    }
}

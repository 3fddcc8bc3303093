//! The tokens of an annotated item, its body apart.
//!
//! Bodies are not parsed. They are none of our business, may use syntax that is newer than our
//! parser, and while they are being typed they are often wrong: the compiler has better words for
//! that.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::{Attribute, Path};

/// An item as it was written.
pub(crate) struct Source {
    head: Vec<TokenTree>,
    /// The braces at its end, if it has any.
    body: Option<Group>,
}

impl Source {
    pub(crate) fn new(tokens: TokenStream) -> Self {
        let mut head: Vec<_> = tokens.into_iter().collect();
        match head.pop() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Source {
                head,
                body: Some(group),
            },
            // A declarative macro handed on an item that it had parsed.
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::None => {
                head.extend(group.stream());
                Source::new(head.into_iter().collect())
            }
            last => {
                head.extend(last);
                Source { head, body: None }
            }
        }
    }

    /// What stands in the braces at the end.
    pub(crate) fn body(&self) -> Option<TokenStream> {
        self.body.as_ref().map(Group::stream)
    }

    /// The item as written.
    pub(crate) fn item(&self) -> TokenStream {
        self.with_body(Group::stream)
    }

    /// The item with nothing in its braces.
    pub(crate) fn item_without_body(&self) -> TokenStream {
        self.with_body(|_| TokenStream::new())
    }

    /// The item, an `impl` block, without those attributes on its functions that were meant for us.
    pub(crate) fn item_without_inner_attributes(&self) -> TokenStream {
        self.with_body(|body| without_ours(body.stream()))
    }

    fn with_body(&self, stream: impl FnOnce(&Group) -> TokenStream) -> TokenStream {
        let body = self.body.as_ref().map(|body| {
            let mut copy = Group::new(Delimiter::Brace, stream(body));
            copy.set_span(body.span());
            TokenTree::Group(copy)
        });
        self.head.iter().cloned().chain(body).collect()
    }
}

/// Whether the path of an attribute names this macro.
pub(crate) fn is_ours(path: &Path) -> bool {
    path.segments
        .last()
        .is_some_and(|segment| segment.ident == "parallel")
}

/// Removes `#[parallel…]`, where it stands outside of all brackets.
fn without_ours(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        if matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket) {
            let attribute = kept
                .last()
                .cloned()
                .into_iter()
                .chain([token.clone()])
                .collect();
            let parsed = Attribute::parse_outer.parse2(attribute);
            if parsed.is_ok_and(|attrs| attrs.iter().any(|attr| is_ours(attr.path()))) {
                kept.pop();
                continue;
            }
        }
        kept.push(token);
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::Source;
    use quote::quote;

    #[test]
    fn only_our_attributes_are_removed() {
        let source = Source::new(quote! {
            #[doc = "x"]
            impl Foo {
                #[parallel(name = "a")]
                #[inline]
                fn a() -> [u8; 2] { #[parallel] fn inner() {} }
                #[parproc::parallel]
                const N: [u8; 1] = [1];
            }
        });
        let expected = quote! {
            #[doc = "x"]
            impl Foo {
                #[inline]
                fn a() -> [u8; 2] { #[parallel] fn inner() {} }
                const N: [u8; 1] = [1];
            }
        };
        assert_eq!(
            source.item_without_inner_attributes().to_string(),
            expected.to_string()
        );
    }
}

//! Spans of what we repeat of the user's source.
//!
//! A token that carries its own span is the user's writing to every lint; lints would fire a second
//! time on the expansion, where nobody can mend them. So what is repeated keeps its place in the
//! source, for errors, but is marked as written by this macro, which silences lints.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};

/// The same place, as written by this macro; names resolve where the attribute stands.
pub(crate) fn ours(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// [`ours`] for every token.
pub(crate) fn respan(tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into_iter().map(|token| {
        let span = ours(token.span());
        match token {
            TokenTree::Group(group) => {
                let copy = Group::new(group.delimiter(), respan(group.stream()));
                place(TokenTree::Group(copy), span)
            }
            token => place(token, span),
        }
    });
    tokens.collect()
}

/// [`ours`] for one identifier.
pub(crate) fn respan_ident(ident: &Ident) -> Ident {
    place_ident(ident, ours(ident.span()))
}

/// Gives a token another span.
pub(crate) fn place(mut token: TokenTree, span: Span) -> TokenTree {
    match token {
        TokenTree::Ident(ident) => TokenTree::Ident(place_ident(&ident, span)),
        _ => {
            token.set_span(span);
            token
        }
    }
}

fn place_ident(ident: &Ident, span: Span) -> Ident {
    // The span says which crate `$crate` means.
    if ident == "$crate" {
        return ident.clone();
    }
    // The span says which edition decides what is a keyword, and ours is the edition of this crate.
    // Where `gen` is an identifier, the user's edition is an older one.
    if ident == "gen" {
        return Ident::new_raw("gen", span);
    }
    let mut ident = ident.clone();
    ident.set_span(span);
    ident
}

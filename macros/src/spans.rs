//! Spans of what we repeat of the user's source.
//!
//! A token that carries its own span is the user's writing to every lint; lints would fire a second time on the
//! expansion, where nobody can mend them. So what is repeated keeps its place in the source, for errors, but is marked
//! as written by this macro, which silences lints.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};

/// The same place, as written by this macro; names resolve where the attribute stands.
pub(crate) fn ours(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// [`ours`] for every token.
pub(crate) fn respan(tokens: TokenStream) -> TokenStream {
    tokens.into_iter().map(respan_tree).collect()
}

fn respan_tree(mut tree: TokenTree) -> TokenTree {
    match tree {
        TokenTree::Group(group) => {
            let mut copy = Group::new(group.delimiter(), respan(group.stream()));
            copy.set_span(ours(group.span()));
            TokenTree::Group(copy)
        }
        TokenTree::Ident(ident) => TokenTree::Ident(respan_ident(&ident)),
        TokenTree::Punct(_) | TokenTree::Literal(_) => {
            tree.set_span(ours(tree.span()));
            tree
        }
    }
}

/// [`ours`] for one identifier.
pub(crate) fn respan_ident(ident: &Ident) -> Ident {
    // The span says which crate `$crate` means.
    if ident == "$crate" {
        return ident.clone();
    }
    // The span says which edition decides what is a keyword, and ours is the edition of this crate. An identifier
    // `gen` comes from a crate of an older edition.
    if ident == "gen" {
        return Ident::new_raw("gen", ours(ident.span()));
    }
    let mut ident = ident.clone();
    ident.set_span(ours(ident.span()));
    ident
}

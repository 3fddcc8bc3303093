//! The annotated item: a function or an `impl` block, read as far as its signatures.
//!
//! Bodies are not parsed. They are none of our business, may use syntax that is newer than our parser, and while they
//! are being typed they are often wrong: the compiler has better words for that.

use crate::args::Args;
use crate::mistakes::Mistakes;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser, Result};
use syn::{
    Attribute, Error, Generics, ImplItem, ItemImpl, Meta, Path, Signature, Token, Type, Visibility, braced,
};

/// What the attribute stands on.
pub(crate) enum Item {
    Function(Function),
    Block(Block),
}

/// A function, free or of an `impl` block.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) signature: Signature,
    /// Its options; those of a function in a block come from an attribute of its own.
    pub(crate) args: Args,
}

/// An `impl` block.
pub(crate) struct Block {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) generics: Generics,
    pub(crate) trait_: Option<Path>,
    pub(crate) self_ty: Type,
    /// The functions of the block, those with `self` too.
    pub(crate) functions: Vec<Function>,
    pub(crate) args: Args,
}

impl Item {
    /// Parses the item; the error tells that this is nothing that can be registered.
    pub(crate) fn parse(tokens: &TokenStream, args: Args, mistakes: &mut Mistakes) -> Result<Self> {
        let (head, body) = split_body(tokens);
        let item = syn::parse2(head)?;
        match (item, body) {
            (syn::Item::Fn(item), Some(_)) => Ok(Item::Function(Function {
                attrs: item.attrs,
                signature: item.sig,
                args,
            })),
            (syn::Item::Impl(item), Some(body)) => Block::parse(item, body.stream(), args, mistakes).map(Item::Block),
            _ => Err(wrong_item(tokens.clone())),
        }
    }
}

impl Block {
    fn parse(item: ItemImpl, body: TokenStream, args: Args, mistakes: &mut Mistakes) -> Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let mut functions = Vec::new();
            input.call(Attribute::parse_inner)?;
            while !input.is_empty() {
                functions.extend(Function::in_block(input, mistakes)?);
            }
            Ok(functions)
        };
        Ok(Block {
            attrs: item.attrs,
            generics: item.generics,
            trait_: item.trait_.map(|(path, _)| path),
            self_ty: *item.self_ty,
            functions: parser.parse2(body)?,
            args,
        })
    }
}

impl Function {
    /// Parses the next item of a block, if it is a function; passes over it, if it is something else.
    fn in_block(input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<Option<Self>> {
        let ahead = input.fork();
        let function = ahead.call(Attribute::parse_outer).and_then(|attrs| {
            ahead.parse::<Visibility>()?;
            Ok((attrs, ahead.parse::<Signature>()?))
        });
        let (attrs, signature) = match function {
            Ok(function) if ahead.peek(syn::token::Brace) => function,
            _ => {
                other_in_block(input, mistakes)?;
                return Ok(None);
            }
        };
        input.advance_to_fork(&ahead);
        let body;
        braced!(body in input);
        body.parse::<TokenStream>()?;

        let (ours, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(is_ours);
        let mut args = Args::default();
        for (i, attr) in ours.into_iter().enumerate() {
            if i > 0 {
                mistakes.at(&attr, "`#[parallel]` is given twice: remove one");
                continue;
            }
            match attr.meta {
                Meta::Path(_) => {}
                Meta::List(list) => args = Args::parse(list.tokens, mistakes),
                Meta::NameValue(meta) => mistakes.at(meta, "options stand in parentheses: write `#[parallel(name = \"…\")]`"),
            }
        }
        Ok(Some(Function { attrs, signature, args }))
    }
}

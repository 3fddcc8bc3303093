//! The annotated item: a function or an `impl` block, read as far as its signatures.

use crate::args::Args;
use crate::mistakes::Mistakes;
use crate::source::{Source, is_ours};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser, Result};
use syn::{
    Attribute, FnArg, Generics, ImplItem, ItemImpl, Meta, PatType, Path, Signature, Type,
    Visibility, token,
};

/// What the attribute stands on.
pub(crate) enum Item {
    Function(Function),
    Block(Block),
}

/// A function, free or of an `impl` block.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) args: Args,
}

/// An `impl` block.
pub(crate) struct Block {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) generics: Generics,
    /// The trait that the block implements; ours are those that implement none.
    pub(crate) trait_: Option<Path>,
    pub(crate) self_ty: Type,
    /// Its functions, those with `self` too.
    pub(crate) functions: Vec<Function>,
    pub(crate) args: Args,
}

impl Item {
    /// Reads the item; `None`, and a mistake, if it is nothing that could be registered.
    pub(crate) fn parse(source: &Source, args: Args, mistakes: &mut Mistakes) -> Option<Self> {
        let item = match syn::parse2(source.item_without_body()) {
            Ok(item) => item,
            Err(error) => {
                mistakes.add(error);
                return None;
            }
        };
        match (item, source.body()) {
            (syn::Item::Fn(item), Some(_)) => Some(Item::Function(Function {
                attrs: item.attrs,
                visibility: item.vis,
                signature: item.sig,
                args,
            })),
            (syn::Item::Impl(item), Some(body)) => {
                Some(Item::Block(Block::parse(item, body, args, mistakes)))
            }
            (item, _) => {
                wrong_item(&item, mistakes);
                None
            }
        }
    }
}

impl Block {
    fn parse(item: ItemImpl, body: TokenStream, args: Args, mistakes: &mut Mistakes) -> Self {
        let mut functions = Vec::new();
        let parser = |input: ParseStream<'_>| {
            input.call(Attribute::parse_inner)?;
            while !input.is_empty() {
                match Function::parse_in_block(input, mistakes) {
                    Some(function) => functions.push(function),
                    None => pass_over(input, mistakes)?,
                }
            }
            Ok(())
        };
        let parsed = parser.parse2(body);
        if let Err(error) = parsed {
            mistakes.add(error);
        }
        Block {
            attrs: item.attrs,
            generics: item.generics,
            trait_: item.trait_.map(|(path, _)| path),
            self_ty: *item.self_ty,
            functions,
            args,
        }
    }
}

impl Function {
    /// The arguments without `self`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &PatType> {
        let inputs = self.signature.inputs.iter();
        inputs.filter_map(|argument| match argument {
            FnArg::Typed(argument) => Some(argument),
            FnArg::Receiver(_) => None,
        })
    }

    /// Parses the next item of a block, if that is a function.
    fn parse_in_block(input: ParseStream<'_>, mistakes: &mut Mistakes) -> Option<Self> {
        let ahead = input.fork();
        let attrs = ahead.call(Attribute::parse_outer).ok()?;
        let visibility = ahead.parse().ok()?;
        let signature = ahead.parse().ok()?;
        if !ahead.peek(token::Brace) {
            return None;
        }
        ahead.parse::<TokenTree>().ok()?;
        input.advance_to(&ahead);

        let (ours, attrs): (Vec<_>, Vec<_>) =
            attrs.into_iter().partition(|attr| is_ours(attr.path()));
        let mut args = Args::default();
        for (i, attr) in ours.into_iter().enumerate() {
            match attr.meta {
                meta if i > 0 => {
                    mistakes.at(meta.path(), "`#[parallel]` is given twice: remove one")
                }
                Meta::Path(_) => {}
                Meta::List(list) => args = Args::parse(list.tokens, mistakes),
                Meta::NameValue(meta) => {
                    mistakes.at(
                        meta,
                        "options stand in parentheses: write `#[parallel(name = \"…\")]`",
                    );
                }
            }
        }
        Some(Function {
            attrs,
            visibility,
            signature,
            args,
        })
    }
}

/// Passes over an item of a block that is not a function, such as a constant.
fn pass_over(input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<()> {
    for attr in input.fork().call(Attribute::parse_outer)? {
        if is_ours(attr.path()) {
            mistakes.at(
                attr.path(),
                "only functions can be registered: remove the attribute",
            );
        }
    }
    input.parse::<ImplItem>()?;
    Ok(())
}

/// The mistake that the attribute stands on something else.
fn wrong_item(item: &syn::Item, mistakes: &mut Mistakes) {
    let (keyword, what): (&dyn ToTokens, _) = match item {
        syn::Item::Const(item) => (&item.const_token, "a constant"),
        syn::Item::Enum(item) => (&item.enum_token, "an enum"),
        syn::Item::ForeignMod(item) => (&item.abi.extern_token, "a block of foreign functions"),
        syn::Item::Mod(item) => (&item.mod_token, "a module"),
        syn::Item::Static(item) => (&item.static_token, "a static"),
        syn::Item::Struct(item) => (&item.struct_token, "a struct"),
        syn::Item::Trait(item) => (&item.trait_token, "a trait"),
        syn::Item::Type(item) => (&item.type_token, "a type alias"),
        syn::Item::Union(item) => (&item.union_token, "a union"),
        syn::Item::Use(item) => (&item.use_token, "an import"),
        // A function without a body is among these.
        item => (item, "this item"),
    };
    mistakes.at(
        keyword,
        format!(
            "`#[parallel]` goes on a function with a body, or on an `impl` block without a \
            trait; not on {what}"
        ),
    );
}

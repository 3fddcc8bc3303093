//! Instances of what is generic: every combination of the listed types and values.

use crate::args::{Args, Entry};
use crate::spans::respan;
use crate::text::readable;
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Expr, GenericParam, Generics};

/// One choice for each generic parameter, in the order in which they are declared. Lifetimes have
/// none: they are inferred.
#[derive(Clone, Default)]
pub(crate) struct Instance<'a> {
    choices: Vec<(&'a Ident, &'a Entry)>,
}

impl<'a> Instance<'a> {
    /// Every instance that the lists ask for; without generic parameters, one without choices.
    pub(crate) fn all(args: &'a Args, generics: &Generics) -> Vec<Self> {
        let lists = args.lists.as_deref().unwrap_or_default();
        let mut instances = vec![Instance::default()];
        for param in &generics.params {
            let Some(list) = lists.iter().find(|list| Some(&list.param) == name(param)) else {
                continue;
            };
            let longer = |instance: Instance<'a>| {
                list.entries.iter().map(move |entry| {
                    let mut instance = instance.clone();
                    instance.choices.push((&list.param, entry));
                    instance
                })
            };
            instances = instances.into_iter().flat_map(longer).collect();
        }
        instances
    }

    /// The choices as people read them, such as `u32`.
    pub(crate) fn labels(&self) -> impl Iterator<Item = String> {
        self.choices
            .iter()
            .map(|(_, entry)| readable(entry.to_token_stream()))
    }

    /// The choices as they stand after a function's name, such as `::<u32, 1>`.
    pub(crate) fn turbofish(&self) -> TokenStream {
        if self.choices.is_empty() {
            return TokenStream::new();
        }
        let entries = self.choices.iter().map(|(_, entry)| argument(entry));
        quote!(::<#(#entries),*>)
    }

    /// The type of an `impl` block with the choices in place of the parameters, and with its
    /// lifetimes inferred.
    pub(crate) fn apply(&self, generics: &Generics, ty: &impl ToTokens) -> TokenStream {
        let replacement = |before: Option<char>, ident: &Ident| match before {
            Some('\'') => {
                let declared = generics
                    .lifetimes()
                    .any(|param| param.lifetime.ident == *ident);
                declared.then(|| quote!(_))
            }
            // A name inside of a path, and not a parameter.
            Some(':') => None,
            _ => {
                let choice = self.choices.iter().find(|(param, _)| *param == ident);
                choice.map(|(_, entry)| argument(entry))
            }
        };
        replace(respan(ty.to_token_stream()), &replacement)
    }
}

/// The name of a generic parameter, if it is one that has instances.
pub(crate) fn name(param: &GenericParam) -> Option<&Ident> {
    match param {
        GenericParam::Lifetime(_) => None,
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
    }
}

/// A choice as a generic argument.
fn argument(entry: &Entry) -> TokenStream {
    let tokens = respan(entry.to_token_stream());
    match entry {
        Entry::Type(_) | Entry::Value(Expr::Lit(_) | Expr::Block(_)) => tokens,
        Entry::Value(_) => quote!({ #tokens }),
    }
}

/// Replaces identifiers; the function is told the punctuation before each.
fn replace(
    tokens: TokenStream,
    replacement: &impl Fn(Option<char>, &Ident) -> Option<TokenStream>,
) -> TokenStream {
    let mut before = None;
    let mut result = TokenStream::new();
    for token in tokens {
        let this = match &token {
            TokenTree::Punct(punct) => Some(punct.as_char()),
            _ => None,
        };
        match token {
            TokenTree::Ident(ident) => match replacement(before, &ident) {
                Some(tokens) => result.extend(tokens),
                None => result.extend([TokenTree::Ident(ident)]),
            },
            TokenTree::Group(group) => {
                let mut copy = Group::new(group.delimiter(), replace(group.stream(), replacement));
                copy.set_span(group.span());
                result.extend([TokenTree::Group(copy)]);
            }
            token => result.extend([token]),
        }
        before = this;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::Instance;
    use crate::args::Args;
    use crate::mistakes::Mistakes;
    use crate::text::readable;
    use quote::quote;
    use syn::{Generics, parse_quote};

    #[test]
    fn every_combination_in_declared_order() {
        let args = Args::parse(
            quote!(for(N = [1, -2], T = [u8, Vec<u8>])),
            &mut Mistakes::default(),
        );
        let generics: Generics = parse_quote!(<'a, T: Clone, const N: i8>);
        let instances = Instance::all(&args, &generics);
        let turbofish: Vec<_> = instances
            .iter()
            .map(|instance| readable(instance.turbofish()))
            .collect();
        assert_eq!(
            turbofish,
            [
                "::<u8, 1>",
                "::<u8, { -2 }>",
                "::<Vec<u8>, 1>",
                "::<Vec<u8>, { -2 }>"
            ]
        );
        let labels: Vec<_> = instances
            .iter()
            .map(|instance| instance.labels().collect::<Vec<_>>().join(", "))
            .collect();
        assert_eq!(labels, ["u8, 1", "u8, -2", "Vec<u8>, 1", "Vec<u8>, -2"]);
    }

    #[test]
    fn not_generic_is_one_instance() {
        let args = Args::default();
        let generics: Generics = parse_quote!(<'a>);
        let instances = Instance::all(&args, &generics);
        assert_eq!(
            instances
                .iter()
                .map(|instance| readable(instance.turbofish()))
                .collect::<Vec<_>>(),
            [""]
        );
    }

    #[test]
    fn a_type_takes_its_choices() {
        let args = Args::parse(quote!(for(T = [u8], N = [3])), &mut Mistakes::default());
        let generics: Generics = parse_quote!(<'a, T, const N: usize>);
        let ty: syn::Type = parse_quote!(Foo<'a, m::T, [T; N], dyn for<'b> Fn(&'b T)>);
        let applied: Vec<_> = Instance::all(&args, &generics)
            .iter()
            .map(|instance| readable(instance.apply(&generics, &ty)))
            .collect();
        assert_eq!(applied, ["Foo<'_, m::T, [u8; 3], dyn for<'b> Fn(&'b u8)>"]);
    }
}

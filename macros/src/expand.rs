//! What the attribute expands to: the item as it was, and a registration for each function or
//! instance.

use crate::actor::{self, Role};
use crate::args::Args;
use crate::instance::Instance;
use crate::item::{Block, Function, Item};
use crate::mistakes::Mistakes;
use crate::registration::Registration;
use crate::source::Source;
use crate::spans::{respan, respan_ident};
use crate::valid;
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Attribute;

/// Expands the attribute. The item is there even if something is wrong, so that nothing else fails
/// for want of it, and an editor goes on to understand it.
pub(crate) fn parallel(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let args = Args::parse(args, &mut mistakes);
    let source = Source::new(item);
    let item = Item::parse(&source, args, &mut mistakes);
    if let Some(item) = &item {
        valid::check(item, &mut mistakes);
    }
    let emitted = match &item {
        Some(Item::Block(_)) => source.item_without_inner_attributes(),
        _ => source.item(),
    };
    let registrations = match (mistakes.to_compile_errors(), &item) {
        (Some(errors), _) => errors,
        (None, Some(Item::Function(function))) => free_function(function),
        (None, Some(Item::Block(block))) => impl_block(block),
        (None, None) => TokenStream::new(),
    };
    quote!(#emitted #registrations)
}

/// The registrations of a free function.
fn free_function(function: &Function) -> TokenStream {
    let instances = Instance::all(&function.args, &function.signature.generics);
    let several = instances.len() > 1;
    let registrations = instances.iter().map(|instance| {
        let ident = respan_ident(&function.signature.ident);
        let turbofish = instance.turbofish();
        let registration = Registration {
            function,
            krate: krate(&function.args),
            attrs: repeated(&function.attrs),
            path: quote!(#ident #turbofish),
            role: Role::Function,
            self_ty: TokenStream::new(),
            suffix: several.then(|| suffix(instance.labels())),
            limits: function.args.limits,
        };
        registration.expand()
    });
    registrations.collect()
}

/// The registrations of the functions of an `impl` block.
fn impl_block(block: &Block) -> TokenStream {
    let mut registrations = TokenStream::new();
    let of_block = Instance::all(&block.args, &block.generics);
    for function in &block.functions {
        let role = block.role(function);
        let of_function = Instance::all(&function.args, &function.signature.generics);
        let several = of_block.len() * of_function.len() > 1;
        for outer in &of_block {
            for inner in &of_function {
                let self_ty = outer.apply(&block.generics, &block.self_ty);
                let ident = respan_ident(&function.signature.ident);
                let turbofish = inner.turbofish();
                let registration = Registration {
                    function,
                    krate: krate(&block.args),
                    attrs: repeated(block.attrs.iter().chain(&function.attrs)),
                    path: quote!(<#self_ty>::#ident #turbofish),
                    role: if block.is_actor() {
                        role
                    } else {
                        Role::Function
                    },
                    self_ty,
                    suffix: several.then(|| suffix(outer.labels().chain(inner.labels()))),
                    limits: function.args.limits.or(block.args.limits),
                };
                registrations.extend(registration.expand());
            }
        }
    }
    if block.is_actor() {
        let attrs = repeated(&block.attrs);
        registrations.extend(actor::expand(block, &krate(&block.args), &attrs));
    }
    registrations
}

/// What distinguishes an instance of a named function, such as `<u32>`.
fn suffix(labels: impl Iterator<Item = String>) -> String {
    format!("<{}>", labels.collect::<Vec<_>>().join(", "))
}

/// Where the runtime crate is.
fn krate(args: &Args) -> TokenStream {
    match &args.krate {
        Some(path) => respan(path.to_token_stream()),
        None => quote!(::parproc),
    }
}

/// The attributes of the item that its registration needs too.
pub(crate) fn repeated<'a>(attrs: impl IntoIterator<Item = &'a Attribute>) -> TokenStream {
    let mut repeated = TokenStream::new();
    let mut deprecated = false;
    for attr in attrs {
        if attr.path().is_ident("cfg") {
            repeated.extend(respan(attr.to_token_stream()));
        }
        // `#[deprecated]`, or `#[allow(deprecated)]` for what the item uses: a registration is not
        // the use that the warning is for. The only lint that must be allowed, and only where it
        // would fire, since to allow what the crate forbids is an error.
        deprecated |= mentions(attr.meta.to_token_stream(), "deprecated");
    }
    if deprecated {
        repeated.extend(quote!(#[allow(deprecated)]));
    }
    repeated
}

/// Whether an identifier occurs anywhere in these tokens.
fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::parallel;
    use quote::quote;

    #[test]
    fn a_function_and_its_registration() {
        let function = quote! {
            #[cfg(unix)]
            pub fn count(text: &str, from: u64) -> u64 { anything at all }
        };
        let expanded = parallel(quote!(name = "count"), function.clone());
        let expected = quote! {
            #function
            #[cfg(unix)]
            const _: () = {
                ::parproc::__private::inventory::submit! {
                    ::parproc::__private::Registration::new(
                        ::core::option::Option::Some("count"),
                        || ::parproc::__private::identity(&count),
                        "fn count(text: &str, from: u64) -> u64",
                        ::core::file!(),
                        ::core::line!(),
                        2usize,
                        |__items| __items.each(|__arguments, __reply| {
                            let __result = {
                                let __argument0 = ::parproc::__private::Arguments::take_text(__arguments)?;
                                let __argument1 = ::parproc::__private::Arguments::take(__arguments)?;
                                count(&__argument0, __argument1)
                            };
                            let __put = ::parproc::__private::Reply::put;
                            __put(__reply, __result)
                        }),
                    )
                }
            };
        };
        assert_eq!(expanded.to_string(), expected.to_string());
    }

    #[test]
    fn instances_of_a_block() {
        let block = quote! {
            impl<T, const N: usize> Stack<T, N> {
                #[parallel(name = "push", for(U = [bool]))]
                fn push<U>(on: Self, item: U) -> Self { on }
                fn pop(from: Self) -> T { from.0 }
            }
        };
        let expanded = parallel(quote!(for(T = [u8, Vec<u8>], N = [-1])), block).to_string();
        assert!(!expanded.contains("# [parallel"));
        let instances = [
            "< Stack < u8 , { - 1 } > > :: push :: < bool >",
            "\"push<Vec<u8>, -1, bool>\"",
        ];
        for instance in instances {
            assert!(
                expanded.contains(instance),
                "{instance} should be in {expanded}"
            );
        }
        assert_eq!(expanded.matches("submit").count(), 4);
    }

    #[test]
    fn a_block_gives_its_functions_limits() {
        let block = quote! {
            impl Parser {
                fn with_those_of_the_block() {}
                #[parallel(timeout = "1s")]
                fn with_a_timeout_of_its_own() {}
            }
        };
        let args = quote!(timeout = "2s", memory_growth = 2.0);
        let expanded = parallel(args, block).to_string();
        for limits in [
            quote!(.timeout_nanos(2000000000u64).memory_growth(2f64)),
            quote!(.timeout_nanos(1000000000u64).memory_growth(2f64)),
        ] {
            let limits = limits.to_string();
            assert_eq!(
                expanded.matches(&limits).count(),
                1,
                "{limits} in {expanded}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_emitted_all_the_same() {
        for item in [
            quote!(
                async fn wrong(x: &mut u8) -> &u8 {
                    x
                }
            ),
            quote!(
                struct NotAFunction {
                    x: u8,
                }
            ),
            quote!(fn half() -> ),
            quote!(
                impl Foo {
                    fn wrong(x: &mut u8) {}
                    const HALF: =
                }
            ),
        ] {
            let expanded = parallel(quote!(unknown), item.clone()).to_string();
            let item = item.to_string();
            assert!(
                expanded.starts_with(&item),
                "{item} should begin {expanded}"
            );
            assert!(expanded.contains("compile_error"));
            assert!(!expanded.contains("submit"));
        }
    }
}

//! What makes a type an actor: a handle with its methods, and ways to start it.

use crate::item::{Block, Function};
use crate::registration::spread;
use crate::spans::{ours, respan, respan_ident};
use proc_macro2::{Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, FnArg, GenericArgument, Pat, PathArguments, ReceiverKind, ReturnType, Type,
    Visibility,
};

/// What a function of a block is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    /// It has nothing to do with a state.
    Function,
    /// It makes a state, or an error instead.
    Constructor { fallible: bool },
    /// It is called with the state.
    Method,
}

impl Block {
    /// True when the block has methods: its type is an actor then.
    pub(crate) fn is_actor(&self) -> bool {
        self.methods().next().is_some()
    }

    pub(crate) fn methods(&self) -> impl Iterator<Item = &Function> {
        let functions = self.functions.iter();
        functions.filter(|function| self.role(function) == Role::Method)
    }

    pub(crate) fn constructors(&self) -> impl Iterator<Item = &Function> {
        let functions = self.functions.iter();
        functions.filter(|function| matches!(self.role(function), Role::Constructor { .. }))
    }

    pub(crate) fn role(&self, function: &Function) -> Role {
        if function.signature.receiver().is_some() {
            return Role::Method;
        }
        match &function.signature.output {
            ReturnType::Type(_, ty) if self.is_self(ty) => Role::Constructor { fallible: false },
            ReturnType::Type(_, ty) if self.is_result_of_self(ty) => {
                Role::Constructor { fallible: true }
            }
            _ => Role::Function,
        }
    }

    /// Whether this is `Self`, or the block's type as it is written there.
    fn is_self(&self, ty: &Type) -> bool {
        let text = ty.to_token_stream().to_string();
        text == "Self" || text == self.self_ty.to_token_stream().to_string()
    }

    fn is_result_of_self(&self, ty: &Type) -> bool {
        let Type::Path(path) = ty else { return false };
        let Some(last) = path.path.segments.last() else {
            return false;
        };
        match &last.arguments {
            PathArguments::AngleBracketed(arguments) if last.ident == "Result" => {
                matches!(arguments.args.first(), Some(GenericArgument::Type(ty)) if self.is_self(ty))
            }
            _ => false,
        }
    }

    /// The name of the handle, if it is given or the type has a name.
    pub(crate) fn handle(&self) -> Option<Ident> {
        if let Some(name) = &self.args.handle {
            return Some(respan_ident(name));
        }
        let Type::Path(path) = &self.self_ty else {
            return None;
        };
        let name = &path.path.segments.last()?.ident;
        Some(format_ident!("{name}Handle", span = ours(name.span())))
    }
}

/// The handle of the block's type, and what starts the actor.
pub(crate) fn expand(block: &Block, krate: &TokenStream, attrs: &TokenStream) -> TokenStream {
    let Some(handle) = block.handle() else {
        return TokenStream::new();
    };
    let self_ty = respan(block.self_ty.to_token_stream());
    let name = block.self_ty.to_token_stream().to_string();
    let visibility = widest(block.constructors().map(|function| &function.visibility));
    let methods = block.methods().map(|function| {
        let arguments = Arguments::new(function, &self_ty);
        method(function, &arguments, krate, &self_ty)
    });
    let starts = block.constructors().map(|function| {
        let arguments = Arguments::new(function, &self_ty);
        start(function, &arguments, krate, &self_ty, &handle)
    });
    let about = format!(
        "A handle of the actor `{name}`: calls of its methods, which run in the actor's process."
    );
    let more = "Clones are handles of the same actor. Dropping the last one ends the actor when it \
        is done with the calls that were made.";
    quote! {
        #attrs
        #[doc = #about]
        #[doc = ""]
        #[doc = #more]
        #[must_use = "dropping the last handle ends the actor"]
        #visibility struct #handle(#krate::actor::Actor);

        #attrs
        impl #handle {
            #(#methods)*
        }

        #attrs
        impl #self_ty {
            #(#starts)*
        }

        #attrs
        const _: () = {
            impl ::core::clone::Clone for #handle {
                fn clone(&self) -> Self {
                    Self(::core::clone::Clone::clone(&self.0))
                }
            }

            impl ::core::fmt::Debug for #handle {
                fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Debug::fmt(&self.0, formatter)
                }
            }

            impl ::core::convert::From<#krate::actor::Actor> for #handle {
                fn from(actor: #krate::actor::Actor) -> Self {
                    Self(actor)
                }
            }

            impl ::core::ops::Deref for #handle {
                type Target = #krate::actor::Actor;

                fn deref(&self) -> &#krate::actor::Actor {
                    &self.0
                }
            }

            impl #krate::actor::Handle for #handle {}

            impl #krate::__private::serde::Serialize for #handle {
                fn serialize<S: #krate::__private::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    #krate::__private::serde::Serialize::serialize(&self.0, serializer)
                }
            }

            impl<'de> #krate::__private::serde::Deserialize<'de> for #handle {
                fn deserialize<D: #krate::__private::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    let actor = #krate::__private::handle_of::<#self_ty, D>(deserializer);
                    ::core::result::Result::map(actor, Self)
                }
            }
        };
    }
}

/// A method of the handle.
fn method(
    function: &Function,
    arguments: &Arguments,
    krate: &TokenStream,
    self_ty: &TokenStream,
) -> TokenStream {
    let signature = &function.signature;
    let mut attrs = repeated(&function.attrs);
    if !function
        .attrs
        .iter()
        .any(|attr| attr.path().is_ident("doc"))
    {
        let about = format!("Calls `{}` with the state of the actor.", signature.ident);
        attrs.extend(quote!(#[doc = #about]));
    }
    let visibility = respan(function.visibility.to_token_stream());
    let name = respan_ident(&signature.ident);
    let lifetime = signature
        .receiver()
        .and_then(|receiver| match &receiver.kind {
            ReceiverKind::Reference(_, lifetime, _) => {
                let lifetime = lifetime.as_ref()?;
                Some(respan(lifetime.to_token_stream()))
            }
            _ => None,
        });
    let (generics, _, bounds) = signature.generics.split_for_impl();
    let (generics, bounds) = (
        respan(generics.to_token_stream()),
        respan(bounds.to_token_stream()),
    );
    let result = match &signature.output {
        ReturnType::Type(_, ty) => replace_self(respan(ty.to_token_stream()), self_ty),
        ReturnType::Default => quote!(()),
    };
    // An error about a type is shown where that is.
    let send = match &signature.output {
        ReturnType::Type(_, ty) => spread(quote!(.send()), ty),
        ReturnType::Default => quote!(.send()),
    };
    let Arguments { names, types } = arguments;
    let passed = arguments.passed();
    quote! {
        #attrs
        #visibility fn #name #generics (&#lifetime self, #(#names: #types),*) -> #krate::Task<#result> #bounds {
            #krate::__private::call(&self.0, <#self_ty>::#name)
                #passed
                #send
        }
    }
}

/// The two functions that a constructor gives its type.
fn start(
    function: &Function,
    arguments: &Arguments,
    krate: &TokenStream,
    self_ty: &TokenStream,
    handle: &Ident,
) -> TokenStream {
    let signature = &function.signature;
    let attrs = crate::expand::repeated(&function.attrs);
    let visibility = respan(function.visibility.to_token_stream());
    let name = respan_ident(&signature.ident);
    let (spawn, builder) = if signature.ident == "new" {
        (
            Ident::new("spawn", name.span()),
            Ident::new("builder", name.span()),
        )
    } else {
        let bare = signature.ident.to_string();
        let bare = bare.trim_start_matches("r#");
        (
            Ident::new(&format!("spawn_{bare}"), name.span()),
            Ident::new(&format!("builder_{bare}"), name.span()),
        )
    };
    let (generics, _, bounds) = signature.generics.split_for_impl();
    let (generics, bounds) = (
        respan(generics.to_token_stream()),
        respan(bounds.to_token_stream()),
    );
    let Arguments { names, types } = arguments;
    let passed = arguments.passed();
    let on_spawn = format!(
        "Starts an actor in a process of its own, whose state is what [`{}`](Self::{0}) makes \
         there of these arguments.",
        signature.ident
    );
    let on_builder = format!("Settings of an actor that [`{spawn}`](Self::{spawn}) would start.");
    let errors = "When the state cannot be made, or the process cannot be started.";
    quote! {
        #attrs
        #[doc = #on_spawn]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = #errors]
        #visibility fn #spawn #generics (#(#names: #types),*) -> #krate::Result<#handle> #bounds {
            <#self_ty>::#builder(#(#names),*).spawn()
        }

        #attrs
        #[doc = #on_builder]
        #visibility fn #builder #generics (#(#names: #types),*) -> #krate::actor::ActorBuilder<#handle> #bounds {
            #krate::__private::build::<#self_ty, _, #handle>(<#self_ty>::#name)
                #passed
        }
    }
}

/// The arguments of a function as another one takes them to pass them on.
struct Arguments {
    names: Vec<Ident>,
    types: Vec<TokenStream>,
}

impl Arguments {
    fn new(function: &Function, self_ty: &TokenStream) -> Self {
        let (mut names, mut types) = (Vec::new(), Vec::new());
        for (i, argument) in function.signature.inputs.iter().enumerate() {
            let FnArg::Typed(argument) = argument else {
                continue;
            };
            names.push(match &*argument.pat {
                Pat::Ident(pattern) => respan_ident(&pattern.ident),
                // A pattern, which the function itself takes apart.
                _ => format_ident!("argument{i}", span = Span::mixed_site()),
            });
            types.push(replace_self(respan(argument.ty.to_token_stream()), self_ty));
        }
        Self { names, types }
    }

    /// The calls that pass them on, each in the place of its type.
    fn passed(&self) -> TokenStream {
        let all = self.names.iter().zip(&self.types);
        let passed = all.map(|(name, ty)| spread(quote!(.argument(#name)), ty));
        passed.collect()
    }
}

/// Writes the type where it says `Self`, which would mean another one elsewhere.
fn replace_self(tokens: TokenStream, self_ty: &TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut replaced = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => {
                let in_path = matches!(tokens.peek(), Some(TokenTree::Punct(next))
                    if next.as_char() == ':' && next.spacing() == Spacing::Joint);
                replaced.extend(if in_path {
                    quote!(<#self_ty>)
                } else {
                    self_ty.clone()
                });
            }
            TokenTree::Group(group) => {
                let mut copy = proc_macro2::Group::new(
                    group.delimiter(),
                    replace_self(group.stream(), self_ty),
                );
                copy.set_span(group.span());
                replaced.extend([TokenTree::Group(copy)]);
            }
            token => replaced.extend([token]),
        }
    }
    replaced
}

/// The visibility that shows most.
fn widest<'a>(all: impl Iterator<Item = &'a Visibility>) -> TokenStream {
    let rank = |visibility: &&Visibility| match visibility {
        Visibility::Public(_) => 3,
        Visibility::Restricted(restricted) if restricted.path.is_ident("crate") => 2,
        Visibility::Restricted(_) => 1,
        Visibility::Inherited => 0,
    };
    let widest = all.max_by_key(rank);
    widest.map_or_else(TokenStream::new, |visibility| {
        respan(visibility.to_token_stream())
    })
}

/// What of a method's attributes its counterpart in the handle has too.
fn repeated(attrs: &[Attribute]) -> TokenStream {
    let mut repeated = crate::expand::repeated(attrs);
    for attr in attrs {
        if attr.path().is_ident("doc") || attr.path().is_ident("deprecated") {
            repeated.extend(respan(attr.to_token_stream()));
        }
    }
    repeated
}

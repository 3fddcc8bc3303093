//! The registration of one function, as code.

use crate::actor::Role;
use crate::item::Function;
use crate::limits::Limits;
use crate::spans::{ours, place, respan};
use crate::text::readable;
use crate::types::{Passing, sent};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{FnArg, ReturnType};

/// One function, or one instance of a generic one, on its way into the registry.
pub(crate) struct Registration<'a> {
    pub(crate) function: &'a Function,
    /// The runtime crate.
    pub(crate) krate: TokenStream,
    /// Attributes for the registration.
    pub(crate) attrs: TokenStream,
    /// How to name the function from outside of it.
    pub(crate) path: TokenStream,
    pub(crate) role: Role,
    /// The type of its block, if it has one.
    pub(crate) self_ty: TokenStream,
    /// What goes after the name that the user gave.
    pub(crate) suffix: Option<String>,
    pub(crate) limits: Limits,
}

impl Registration<'_> {
    pub(crate) fn expand(&self) -> TokenStream {
        let registered = |identity: &str, call, hidden| {
            let identity = Ident::new(identity, Span::call_site());
            self.submit(&identity, self.name(hidden), call, hidden)
        };
        match self.role {
            Role::Function => registered("identity", self.call(), false),
            Role::Method => registered("method", self.call(), false),
            Role::Constructor { .. } => {
                let mut both = registered("identity", self.call(), false);
                both.extend(registered("maker", self.make(), true));
                both
            }
        }
    }

    fn submit(
        &self,
        identity: &Ident,
        name: TokenStream,
        call: TokenStream,
        hidden: bool,
    ) -> TokenStream {
        let Registration {
            krate,
            attrs,
            path,
            limits,
            ..
        } = self;
        let hidden = hidden.then(|| quote!(.hidden()));
        let signature = &self.function.signature;
        let text = self.signature();
        // With the user's own span, the line is that of the name; with ours, that of the attribute.
        let place = signature.ident.span();
        let (file, line) = (
            quote_spanned!(place=> ::core::file!()),
            quote_spanned!(place=> ::core::line!()),
        );
        let count = self.function.arguments().count();
        quote! {
            #attrs
            const _: () = {
                #krate::__private::inventory::submit! {
                    #krate::__private::Registration::new(
                        #name,
                        || #krate::__private::#identity(&#path),
                        #text,
                        #file,
                        #line,
                        #count,
                        #call,
                    )
                    #limits
                    #hidden
                }
            };
        }
    }

    /// The signature as people read it, without the attributes of its arguments.
    fn signature(&self) -> String {
        let mut signature = self.function.signature.clone();
        for argument in &mut signature.inputs {
            if let FnArg::Typed(argument) = argument {
                argument.attrs.clear();
            }
        }
        readable(signature.to_token_stream())
    }

    /// The name that the user gave, if any, as an `Option`.
    fn name(&self, hidden: bool) -> TokenStream {
        let Some(name) = &self.function.args.name else {
            return quote!(::core::option::Option::None);
        };
        let mut name = name.value() + self.suffix.as_deref().unwrap_or_default();
        if hidden {
            // It has the place of another one of that name.
            name += " (of an actor)";
        }
        quote!(::core::option::Option::Some(#name))
    }

    /// The closure that, for each item, decodes the arguments, calls the function and encodes its result. What
    /// was lent to the function is dropped before the result is put: a panic in there is the item's.
    ///
    /// It repeats no types, since the call infers them: so there is nothing to rewrite in them
    /// (`Self`, lifetimes, generics), and a type that does not exist is reported once. What asks
    /// for serde's traits has the place of the type, so that a missing one is reported there.
    fn call(&self) -> TokenStream {
        let Registration { krate, path, .. } = self;
        let (items, arguments, reply) = (local("items"), local("arguments"), local("reply"));
        let (result, put) = (local("result"), local("put"));
        let (takes, passed) = self.takes(&arguments);
        if let Role::Constructor { .. } = self.role {
            // The state of an actor need not be a value that travels; if it is, this is a function.
            return quote! {
                |#items| #items.each(|#arguments, #reply| {
                    use #krate::__private::PutNothing as _;
                    let #result = {
                        #takes
                        #path(#(#passed),*)
                    };
                    #krate::__private::Made(#result).put(#reply)
                })
            };
        }
        // In two steps, since an error about a call's argument would be shown at the argument.
        let put_path = match &self.function.signature.output {
            ReturnType::Type(_, ty) => spread(quote!(#krate::__private::Reply::put), ty),
            ReturnType::Default => quote!(#krate::__private::Reply::put),
        };
        let call = if self.role == Role::Method {
            let self_ty = &self.self_ty;
            let state = local("state");
            quote! {
                #krate::__private::with_state(|#state: &mut #self_ty| #path(#state, #(#passed),*))?
            }
        } else {
            quote!(#path(#(#passed),*))
        };
        quote! {
            |#items| #items.each(|#arguments, #reply| {
                let #result = {
                    #takes
                    #call
                };
                let #put = #put_path;
                #put(#reply, #result)
            })
        }
    }

    /// The closure that has a constructor make a state, and keeps that where it is.
    fn make(&self) -> TokenStream {
        let Registration { krate, path, .. } = self;
        let (items, arguments, reply) = (local("items"), local("arguments"), local("reply"));
        let (takes, passed) = self.takes(&arguments);
        let keep = match (self.role, &self.function.signature.output) {
            (Role::Constructor { fallible: true }, ReturnType::Type(_, ty)) => {
                spread(quote!(#krate::__private::try_keep), ty)
            }
            _ => quote!(#krate::__private::keep),
        };
        let (made, kept) = (local("made"), local("keep"));
        quote! {
            |#items| #items.each(|#arguments, #reply| {
                let #made = {
                    #takes
                    #path(#(#passed),*)
                };
                let #kept = #keep;
                #krate::__private::Reply::put(#reply, #kept(#made))
            })
        }
    }

    /// What takes the arguments, one after the other, and how each is passed then.
    fn takes(&self, arguments: &Ident) -> (TokenStream, Vec<TokenStream>) {
        let krate = &self.krate;
        let mut takes = TokenStream::new();
        let mut passed = Vec::new();
        for (i, argument) in self.function.arguments().enumerate() {
            let sent = sent(&argument.ty);
            let passing = Passing::of(&argument.ty);
            let mut taking = quote!(take);
            let (ty, lent) = match passing {
                Passing::Owned => (None, None),
                Passing::Lent => (None, Some(quote!(&))),
                Passing::Text => {
                    taking = quote!(take_text);
                    (None, Some(quote!(&)))
                }
                Passing::Slice => (Some(quote!(::<::std::vec::Vec<_>>)), Some(quote!(&))),
                Passing::Part => (
                    Some(quote!(::<#krate::__private::SharedPart<_>>)),
                    Some(quote!(&mut)),
                ),
                Passing::Unsized => {
                    let borrowed = respan(sent.to_token_stream());
                    let owned = quote!(::<<#borrowed as ::std::borrow::ToOwned>::Owned>);
                    (Some(owned), Some(quote!(&)))
                }
            };
            let take = quote!(#krate::__private::Arguments::#taking #ty (#arguments));
            let take = spread(take, sent);
            let value = local(&format!("argument{i}"));
            let mutable = (passing == Passing::Part).then(|| quote!(mut));
            takes.extend(quote!(let #mutable #value = #take?;));
            passed.push(quote!(#lent #value));
        }
        (takes, passed)
    }
}

/// A local variable of the expansion, which nothing of the user's is mixed up with.
fn local(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}

/// Gives `tokens` the place of `ty`: an error about them is shown there, from its first token to
/// its last.
pub(crate) fn spread(tokens: TokenStream, ty: &impl ToTokens) -> TokenStream {
    let places: Vec<Span> = ty
        .to_token_stream()
        .into_iter()
        .map(|token| ours(token.span()))
        .collect();
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return tokens;
    };
    let mut here = *first;
    let spread = tokens.into_iter().map(|token| {
        let token = place(token, here);
        here = *last;
        token
    });
    spread.collect()
}

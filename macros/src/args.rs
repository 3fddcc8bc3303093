//! The options of the attribute, as one parsed type.

use crate::limits::{self, Limits};
use crate::mistakes::Mistakes;
use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser, Result};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Lit, LitStr, Path, Token, Type, bracketed, parenthesized, token};

/// What stands in `#[parallel(…)]`.
#[derive(Default)]
pub(crate) struct Args {
    /// `name = "…"`.
    pub(crate) name: Option<LitStr>,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// `for(…)`: the lists in the order written.
    pub(crate) lists: Option<Vec<List>>,
    /// `handle = "…"`.
    pub(crate) handle: Option<Ident>,
    /// `timeout`, `memory_limit`, `retries` and `memory_growth`.
    pub(crate) limits: Limits,
    /// Whether an option could not be understood: what is missing may have been meant by it.
    pub(crate) incomplete: bool,
}

/// What one generic parameter stands for: `T = [u32, String]`.
pub(crate) struct List {
    pub(crate) param: Ident,
    pub(crate) bracket: token::Bracket,
    pub(crate) entries: Punctuated<Entry, Token![,]>,
}

/// One type or value of a list.
pub(crate) enum Entry {
    /// A type, or a path that may also name a constant.
    Type(Type),
    /// What can only be a value: a literal, a block.
    Value(Expr),
}

impl Args {
    /// Parses the options; what cannot be understood is a mistake, and the rest is still read.
    pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut args = Args::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.option(input) {
                    mistakes.add(error);
                    args.incomplete = true;
                    skip_to_comma(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            mistakes.add(error);
        }
        args
    }

    /// Parses one option, up to its comma.
    fn option(&mut self, input: ParseStream<'_>) -> Result<()> {
        let option = input.call(Ident::parse_any)?;
        let limits = &mut self.limits;
        let doubled = match option.to_string().as_str() {
            "name" => self.name.replace(name(&option, input)?).is_some(),
            "crate" => self.krate.replace(krate(&option, input)?).is_some(),
            "handle" => self.handle.replace(handle(&option, input)?).is_some(),
            "for" => self.lists.replace(lists(&option, input)?).is_some(),
            "timeout" => {
                let nanos = limits::timeout(&option, input)?;
                limits.timeout_nanos.replace(nanos).is_some()
            }
            "memory_limit" => {
                let bytes = limits::memory_limit(&option, input)?;
                limits.memory_limit.replace(bytes).is_some()
            }
            "retries" => {
                let retries = limits::retries(&option, input)?;
                limits.retries.replace(retries).is_some()
            }
            "memory_growth" => {
                let factor = limits::memory_growth(&option, input)?;
                limits.memory_growth.replace(factor).is_some()
            }
            _ => {
                let known = "the options are `name`, `for`, `crate`, `handle`, `timeout`, \
                    `memory_limit`, `retries` and `memory_growth`";
                let message = format!("unknown option `{option}`: {known}");
                return Err(Error::new(option.span(), message));
            }
        };
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error("expected a comma between two options"));
        }
        if doubled {
            return Err(Error::new(
                option.span(),
                format!("`{option}` is given twice: remove one"),
            ));
        }
        Ok(())
    }
}

/// Parses the `= "…"` of `name`.
fn name(option: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    const USAGE: &str = "`name` takes a string: write `name = \"…\"`";
    equals_sign(option, input, USAGE)?;
    let name = match input.parse() {
        Ok(Lit::Str(name)) => name,
        Ok(other) => return Err(Error::new(other.span(), USAGE)),
        Err(error) => return Err(Error::new(error.span(), USAGE)),
    };
    if name.value().is_empty() {
        let message = "the name is empty: a function is found by its name";
        return Err(Error::new(name.span(), message));
    }
    Ok(name)
}

/// Parses the `= "Name"` of `handle`.
fn handle(option: &Ident, input: ParseStream<'_>) -> Result<Ident> {
    const USAGE: &str = "`handle` takes the name of a type in quotes: write `handle = \"Name\"`";
    equals_sign(option, input, USAGE)?;
    let name = match input.parse() {
        Ok(Lit::Str(name)) => name,
        Ok(other) => return Err(Error::new(other.span(), USAGE)),
        Err(error) => return Err(Error::new(error.span(), USAGE)),
    };
    name.parse().map_err(|_| Error::new(name.span(), USAGE))
}

/// Parses the `= path` of `crate`.
fn krate(option: &Ident, input: ParseStream<'_>) -> Result<Path> {
    const USAGE: &str = "`crate` takes a path without quotes: write `crate = some::path`";
    equals_sign(option, input, USAGE)?;
    let path = input.call(Path::parse_mod_style);
    path.map_err(|error| Error::new(error.span(), USAGE))
}

/// Parses the `(T = […], …)` of `for`.
fn lists(option: &Ident, input: ParseStream<'_>) -> Result<Vec<List>> {
    const USAGE: &str =
        "`for` takes a list for each generic parameter: write `for(T = [u32, String])`";
    if !input.peek(token::Paren) {
        return Err(Error::new(option.span(), USAGE));
    }
    let content;
    parenthesized!(content in input);
    let lists = content.parse_terminated(List::parse, Token![,]);
    let lists = drained(&content, lists)?;
    Ok(lists.into_iter().collect())
}

/// Parses the equals sign between an option and its value.
pub(crate) fn equals_sign(option: &Ident, input: ParseStream<'_>, usage: &str) -> Result<()> {
    if !input.peek(Token![=]) {
        return Err(Error::new(option.span(), usage));
    }
    input.parse::<Token![=]>()?;
    Ok(())
}

impl Parse for List {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let param = input.parse()?;
        input.parse::<Token![=]>()?;
        let content;
        let bracket = bracketed!(content in input);
        let entries = content.parse_terminated(Entry::parse, Token![,]);
        Ok(List {
            param,
            bracket,
            entries: drained(&content, entries)?,
        })
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let ahead = input.fork();
        // `{ N + 1 }` is a value, and what begins like a type may go on as an expression: `N + 1`.
        if ahead.parse::<Type>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,])) {
            input.parse().map(Entry::Type)
        } else {
            input.parse().map(Entry::Value)
        }
    }
}

impl ToTokens for Entry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Entry::Type(ty) => ty.to_tokens(tokens),
            Entry::Value(expr) => expr.to_tokens(tokens),
        }
    }
}

/// Uses up what a mistake left over in brackets, since that would be reported as another mistake.
fn drained<T>(content: ParseStream<'_>, result: Result<T>) -> Result<T> {
    if result.is_err() {
        content.parse::<TokenStream>()?;
    }
    result
}

/// Leaves an option that cannot be understood, so that the next one is read.
fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Args, Entry};
    use crate::mistakes::Mistakes;
    use quote::{ToTokens, quote};

    fn parse(tokens: proc_macro2::TokenStream) -> (Args, Vec<String>) {
        let mut mistakes = Mistakes::default();
        let args = Args::parse(tokens, &mut mistakes);
        (args, mistakes.messages())
    }

    #[test]
    fn nothing_is_no_options() {
        let (args, messages) = parse(quote!());
        assert!(messages.is_empty());
        assert!(args.name.is_none() && args.krate.is_none() && args.lists.is_none());
    }

    #[test]
    fn all_options_in_any_order() {
        let (args, messages) = parse(quote!(for(T = [u32], N = [1, 2]), crate = a::b, name = "x",));
        assert_eq!(messages, [""; 0]);
        assert_eq!(args.name.map(|name| name.value()).as_deref(), Some("x"));
        assert_eq!(
            args.krate
                .map(|path| path.to_token_stream().to_string())
                .as_deref(),
            Some("a :: b")
        );
        let lists = args.lists.unwrap_or_default();
        assert_eq!(
            lists
                .iter()
                .map(|list| list.param.to_string())
                .collect::<Vec<_>>(),
            ["T", "N"]
        );
    }

    #[test]
    fn entries_are_types_or_values() {
        let (args, messages) = parse(
            quote!(for(T = [Vec<u8>, HashMap<u8, u16>, A], N = [1, -1, 'c', true, { A + 1 }, A + 1])),
        );
        assert_eq!(messages, [""; 0]);
        let kinds: Vec<Vec<bool>> = args
            .lists
            .unwrap_or_default()
            .iter()
            .map(|list| {
                list.entries
                    .iter()
                    .map(|entry| matches!(entry, Entry::Type(_)))
                    .collect()
            })
            .collect();
        assert_eq!(kinds, [vec![true; 3], vec![false; 6]]);
    }

    #[test]
    fn every_mistake_is_found() {
        let (args, messages) = parse(
            quote!(name = 1, speed = fast(1, 2), crate = "x", name = "a", name = "b", for = 3),
        );
        assert_eq!(
            messages,
            [
                "`name` takes a string: write `name = \"…\"`",
                "unknown option `speed`: the options are `name`, `for`, `crate`, `handle`, `timeout`, \
                 `memory_limit`, `retries` and `memory_growth`",
                "`crate` takes a path without quotes: write `crate = some::path`",
                "`name` is given twice: remove one",
                "`for` takes a list for each generic parameter: write `for(T = [u32, String])`",
            ]
        );
        assert!(args.krate.is_none());
    }

    #[test]
    fn a_mistake_in_a_list_is_found_once() {
        let (_, messages) = parse(quote!(for(T = 5, U = [u8]), for(T = [u8; 3]), name = ""));
        assert_eq!(
            messages,
            [
                "expected square brackets",
                "expected `,`",
                "the name is empty: a function is found by its name",
            ]
        );
    }

    #[test]
    fn options_need_commas() {
        let (_, messages) = parse(quote!(name = "a" crate = b));
        assert_eq!(messages, ["expected a comma between two options"]);
    }
}

//! The options that bound a call: how long, how much memory, how many attempts.

use crate::args::equals_sign;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use std::fmt::Display;
use syn::parse::{ParseStream, Result};
use syn::{Error, Lit};

const TIMEOUT: &str = "`timeout` takes a duration in quotes: write `timeout = \"2s\"`";
const MEMORY_LIMIT: &str =
    "`memory_limit` takes a size in quotes: write `memory_limit = \"512MiB\"`";
const RETRIES: &str = "`retries` takes a whole number without quotes: write `retries = 3`";
const MEMORY_GROWTH: &str =
    "`memory_growth` takes a number without quotes: write `memory_growth = 2.0`";

/// What the options say; `None` where they say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// `timeout = "…"`.
    pub(crate) timeout_nanos: Option<u64>,
    /// `memory_limit = "…"`, in bytes.
    pub(crate) memory_limit: Option<u64>,
    /// `retries = …`.
    pub(crate) retries: Option<u32>,
    /// `memory_growth = …`.
    pub(crate) memory_growth: Option<f64>,
}

impl Limits {
    /// These, and those of `defaults` where these say nothing.
    pub(crate) fn or(self, defaults: Self) -> Self {
        Limits {
            timeout_nanos: self.timeout_nanos.or(defaults.timeout_nanos),
            memory_limit: self.memory_limit.or(defaults.memory_limit),
            retries: self.retries.or(defaults.retries),
            memory_growth: self.memory_growth.or(defaults.memory_growth),
        }
    }
}

/// The calls on a registration that set what is given.
impl ToTokens for Limits {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if let Some(nanos) = self.timeout_nanos {
            tokens.extend(quote!(.timeout_nanos(#nanos)));
        }
        if let Some(bytes) = self.memory_limit {
            tokens.extend(quote!(.memory_limit(#bytes)));
        }
        if let Some(retries) = self.retries {
            tokens.extend(quote!(.retries(#retries)));
        }
        if let Some(factor) = self.memory_growth {
            tokens.extend(quote!(.memory_growth(#factor)));
        }
    }
}

/// Parses the `= "2s"` of `timeout`, into nanoseconds.
pub(crate) fn timeout(option: &Ident, input: ParseStream<'_>) -> Result<u64> {
    let value = literal(option, input, TIMEOUT)?;
    let Lit::Str(text) = &value else {
        return mistake(&value, TIMEOUT);
    };
    let text = text.value();
    match humantime::parse_duration(&text).map(|duration| duration.as_nanos()) {
        Ok(0) => mistake(
            &value,
            "a timeout of 0 leaves no time to run: write how long a call may take, such as \"2s\"",
        ),
        Ok(nanos) => u64::try_from(nanos).or_else(|_| {
            let message = "no call takes centuries: write how long it may take, such as \"2s\"";
            mistake(&value, message)
        }),
        Err(error) => mistake(
            &value,
            format!(
                "`{text}` is not a duration: {error}; write numbers with units, such as \"2s\", \
                \"500ms\" or \"1min 30s\""
            ),
        ),
    }
}

/// Parses the `= "512MiB"` of `memory_limit`, into bytes.
pub(crate) fn memory_limit(option: &Ident, input: ParseStream<'_>) -> Result<u64> {
    // A bare number is more likely a forgotten unit than meant as bytes.
    const PARSER: parse_size::Config =
        parse_size::Config::new().with_byte_suffix(parse_size::ByteSuffix::Require);
    let value = literal(option, input, MEMORY_LIMIT)?;
    let Lit::Str(text) = &value else {
        return mistake(&value, MEMORY_LIMIT);
    };
    let text = text.value();
    match PARSER.parse_size(&text) {
        Ok(0) => mistake(
            &value,
            "no call runs in 0 bytes: write how much a worker may use, such as \"512MiB\"",
        ),
        Ok(bytes) => Ok(bytes),
        Err(_) => mistake(
            &value,
            format!(
                "`{text}` is not a size: write a number with a unit, such as \"512MiB\" (KiB, MiB \
                and GiB count by 1024, kB, MB and GB by 1000)"
            ),
        ),
    }
}

/// Parses the `= 3` of `retries`.
pub(crate) fn retries(option: &Ident, input: ParseStream<'_>) -> Result<u32> {
    let value = literal(option, input, RETRIES)?;
    match &value {
        Lit::Int(number) if ["", "u32"].contains(&number.suffix()) => {
            number.base10_parse().or_else(|_| {
                let message = format!(
                    "`retries` is a number from 0 to {}: write `retries = 3`",
                    u32::MAX
                );
                mistake(&value, message)
            })
        }
        _ => mistake(&value, RETRIES),
    }
}

/// Parses the `= 2.0` of `memory_growth`.
pub(crate) fn memory_growth(option: &Ident, input: ParseStream<'_>) -> Result<f64> {
    let value = literal(option, input, MEMORY_GROWTH)?;
    let factor: f64 = match &value {
        Lit::Int(number) if ["", "f64"].contains(&number.suffix()) => number.base10_parse()?,
        Lit::Float(number) if ["", "f64"].contains(&number.suffix()) => number.base10_parse()?,
        _ => return mistake(&value, MEMORY_GROWTH),
    };
    if factor < 1.0 || factor.is_infinite() {
        let message = "the memory limit is multiplied by `memory_growth` before another attempt: \
            write a number of at least 1, such as 2.0";
        return mistake(&value, message);
    }
    Ok(factor)
}

/// Parses an equals sign and a literal.
fn literal(option: &Ident, input: ParseStream<'_>, usage: &str) -> Result<Lit> {
    equals_sign(option, input, usage)?;
    input
        .parse()
        .map_err(|error: Error| Error::new(error.span(), usage))
}

fn mistake<T>(value: &Lit, message: impl Display) -> Result<T> {
    Err(Error::new(value.span(), message))
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use crate::args::Args;
    use crate::mistakes::Mistakes;
    use proc_macro2::TokenStream;
    use quote::{ToTokens, quote};

    fn parse(tokens: TokenStream) -> (Limits, Vec<String>) {
        let mut mistakes = Mistakes::default();
        let args = Args::parse(tokens, &mut mistakes);
        (args.limits, mistakes.messages())
    }

    #[track_caller]
    fn limits(tokens: TokenStream) -> Limits {
        let (limits, messages) = parse(tokens);
        assert_eq!(messages, [""; 0]);
        limits
    }

    /// The one mistake that is in `tokens`.
    #[track_caller]
    fn message(tokens: TokenStream) -> String {
        let (limits, mut messages) = parse(tokens);
        assert_eq!(limits, Limits::default());
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    #[test]
    fn all_limits_in_any_order_among_other_options() {
        let found = limits(quote!(
            memory_growth = 1.5,
            name = "x",
            retries = 3,
            memory_limit = "512MiB",
            timeout = "2s"
        ));
        let expected = Limits {
            timeout_nanos: Some(2_000_000_000),
            memory_limit: Some(512 << 20),
            retries: Some(3),
            memory_growth: Some(1.5),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("1ns", 1),
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            ("1min 30s", 90_000_000_000),
            ("584 years", 584 * 31_557_600 * 1_000_000_000),
        ] {
            assert_eq!(limits(quote!(timeout = #text)).timeout_nanos, Some(nanos));
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1B", 1),
            ("64KiB", 64 << 10),
            ("1.5 GiB", 3 << 29),
            ("64kB", 64_000),
            ("64KB", 64_000),
            ("2MB", 2_000_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(
                limits(quote!(memory_limit = #text)).memory_limit,
                Some(bytes)
            );
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(limits(quote!(retries = 0)).retries, Some(0));
        assert_eq!(limits(quote!(retries = 1_000u32)).retries, Some(1000));
        assert_eq!(limits(quote!(memory_growth = 2)).memory_growth, Some(2.0));
        assert_eq!(
            limits(quote!(memory_growth = 1f64)).memory_growth,
            Some(1.0)
        );
    }

    #[test]
    fn a_literal_of_a_declarative_macro_is_a_literal() {
        let literal = quote!("2s").into_iter().collect();
        let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, literal);
        assert!(limits(quote!(timeout = #group)).timeout_nanos.is_some());
    }

    #[test]
    fn what_is_not_a_duration() {
        let usage = "`timeout` takes a duration in quotes: write `timeout = \"2s\"`";
        for tokens in [
            quote!(timeout),
            quote!(timeout = ),
            quote!(timeout = 2),
            quote!(timeout = 2s),
            quote!(timeout = LIMIT),
            quote!(timeout("2s")),
        ] {
            assert_eq!(message(tokens), usage);
        }
        for text in ["", "2", "2 parsecs", "s", "-2s", "18446744073709551615h"] {
            let message = message(quote!(timeout = #text));
            let start = format!("`{text}` is not a duration: ");
            assert!(message.starts_with(&start), "{message}");
        }
        for text in ["0s", "0min 0ns"] {
            assert!(message(quote!(timeout = #text)).starts_with("a timeout of 0"));
        }
        assert!(message(quote!(timeout = "585 years")).contains("centuries"));
    }

    #[test]
    fn what_is_not_a_size() {
        let usage = "`memory_limit` takes a size in quotes: write `memory_limit = \"512MiB\"`";
        for tokens in [
            quote!(memory_limit),
            quote!(memory_limit = 512),
            quote!(memory_limit = 512MiB),
            quote!(memory_limit = 1 << 20),
        ] {
            assert_eq!(message(tokens), usage);
        }
        for text in ["", "512", "512M", "MiB", "-1MiB", "1MiBs", "100EiB"] {
            let message = message(quote!(memory_limit = #text));
            let start = format!("`{text}` is not a size");
            assert!(message.starts_with(&start), "{message}");
        }
        for text in ["0B", "0 GiB", "0.2B"] {
            assert!(message(quote!(memory_limit = #text)).starts_with("no call runs in 0 bytes"));
        }
    }

    #[test]
    fn what_are_not_retries() {
        let usage = "`retries` takes a whole number without quotes: write `retries = 3`";
        for tokens in [
            quote!(retries),
            quote!(retries = "3"),
            quote!(retries = 1.5),
            quote!(retries = 3s),
            quote!(retries = true),
        ] {
            assert_eq!(message(tokens), usage);
        }
        for tokens in [quote!(retries = -1), quote!(retries = 5_000_000_000)] {
            assert!(message(tokens).starts_with("`retries` is a number from 0 to 4294967295"));
        }
    }

    #[test]
    fn what_is_not_a_growth() {
        let usage = "`memory_growth` takes a number without quotes: write `memory_growth = 2.0`";
        for tokens in [
            quote!(memory_growth),
            quote!(memory_growth = "2"),
            quote!(memory_growth = 2.0f32),
            quote!(memory_growth = 2x),
        ] {
            assert_eq!(message(tokens), usage);
        }
        for tokens in [
            quote!(memory_growth = 0.5),
            quote!(memory_growth = 0),
            quote!(memory_growth = -2.0),
            quote!(memory_growth = 1e999),
        ] {
            assert!(message(tokens).contains("at least 1"));
        }
    }

    #[test]
    fn only_what_is_given_is_set() {
        assert!(Limits::default().to_token_stream().is_empty());
        let tokens = limits(quote!(retries = 2, memory_growth = 2)).to_token_stream();
        let expected = quote!(.retries(2u32).memory_growth(2f64));
        assert_eq!(tokens.to_string(), expected.to_string());
    }

    #[test]
    fn a_function_comes_before_its_block() {
        let of_function = limits(quote!(timeout = "1s", retries = 0));
        let of_block = limits(quote!(timeout = "2s", retries = 1, memory_limit = "1MiB"));
        let expected = limits(quote!(timeout = "1s", retries = 0, memory_limit = "1MiB"));
        assert_eq!(of_function.or(of_block), expected);
    }
}

//! The expansion of `#[parallel]` trips no lint where lints are errors.
//!
//! That this compiles is the test; `cargo clippy` sees more of it.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    future_incompatible,
    keyword_idents,
    let_underscore,
    nonstandard_style,
    rust_2018_idioms,
    unused,
    explicit_outlives_requirements,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::default_trait_access,
    clippy::let_underscore_untyped,
    clippy::multiple_unsafe_ops_per_block,
    clippy::pattern_type_mismatch,
    clippy::question_mark_used,
    clippy::shadow_reuse,
    clippy::shadow_unrelated,
    clippy::str_to_string,
    clippy::undocumented_unsafe_blocks,
    clippy::wildcard_enum_match_arm
)]

use parproc::parallel;
use serde::{Deserialize, Serialize};

/// A type whose use is a warning.
#[deprecated = "use something else"]
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Old;

/// Lower-case names of generic parameters, and a name for everything of the expansion.
#[expect(non_camel_case_types, non_upper_case_globals)]
#[parallel(name = "generic", for(t = [u8, Vec<u8>], n = [1, 2]))]
#[must_use]
pub fn generic<t: Clone, const n: usize>(__argument0: t, result: &[u8]) -> Vec<t> {
    vec![__argument0; n + result.len()]
}

/// Every limit there is.
#[parallel(
    timeout = "1s",
    memory_limit = "64MiB",
    retries = 3,
    memory_growth = 1.5
)]
#[must_use]
pub const fn limited(x: u8) -> u8 {
    x
}

/// Nothing in, nothing out.
#[parallel]
pub const fn unit((): ()) {}

/// A warning for those who call it; the registration is none of them.
#[deprecated = "use `unit`"]
#[parallel]
#[must_use]
pub const fn old(x: u8) -> u8 {
    x
}

/// The same with the attributes the other way round.
#[parallel]
#[deprecated = "use `unit`"]
#[must_use]
pub const fn older(x: u8) -> u8 {
    x
}

/// Uses what is deprecated, and says so.
#[parallel]
#[expect(deprecated)]
#[must_use]
pub const fn uses_old(old: Old) -> Old {
    old
}

/// A block whose functions have all kinds of arguments.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a>(pub &'a str);

#[parallel]
impl<'a> Block<'a> {
    /// Lends.
    #[must_use]
    pub const fn lend(text: &'a str, list: &[String]) -> usize {
        Self(text).0.len() + list.len()
    }

    /// Is deprecated.
    #[deprecated = "use `lend`"]
    #[must_use]
    pub const fn old(text: &str) -> usize {
        text.len()
    }
}

/// An actor with all kinds of functions.
#[derive(Clone, Debug, Default)]
pub struct Tally(Vec<String>);

#[parallel]
impl Tally {
    /// Makes one.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes one, or not.
    ///
    /// # Errors
    /// When there are no names.
    pub fn of(names: &[String]) -> Result<Self, String> {
        if names.is_empty() {
            return Err("no names".to_owned());
        }
        Ok(Self(names.to_vec()))
    }

    /// Changes it.
    pub fn add<'a>(&'a mut self, name: &'a str, [_, times]: [u8; 2]) -> usize {
        for _ in 0..times {
            self.0.push(name.to_owned());
        }
        self.0.len()
    }

    /// Tells about it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells about it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is deprecated.
    #[deprecated = "use `add`"]
    pub fn old(&mut self) {
        self.0.clear();
    }

    /// Uses what is deprecated, and says so.
    #[expect(deprecated)]
    pub fn uses_old(&mut self, __argument0: Old) {
        self.old();
        let _: Old = __argument0;
    }

    fn private(&mut self) {
        self.0.push(String::new());
    }
}

#[test]
fn expansions_trip_no_lint() {
    /// After a statement, in a function.
    #[parallel]
    fn inner(x: u8) -> Result<u8, String> {
        x.checked_add(1).ok_or_else(|| "too large".to_owned())
    }

    assert_eq!(inner(1), Ok(2));
    assert_eq!(generic::<_, 1>(1, &[]), [1]);
}

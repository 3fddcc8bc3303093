//! The `#[parallel]` attribute of `parproc`: checks a function, leaves it as it is, registers it.
//!
//! Use it through `parproc::parallel`. What it expands to reaches into a hidden module of that
//! crate, and the two versions belong together.

mod args;
mod expand;
mod instance;
mod item;
mod mistakes;
mod registration;
mod source;
mod spans;
mod text;
mod types;
mod valid;

use proc_macro::TokenStream;

/// Registers a function, so that worker processes can run it.
///
/// The function stays an ordinary function: call it, pass it, document it, test it. The attribute
/// goes on
///
/// - a free function, private or public, in any module or inside another function;
/// - an inherent `impl` block: each of its functions without `self` is registered, its methods are
///   left alone. Options of one of these functions stand at that function:
///   `#[parallel(name = "…")]`.
///
/// Arguments, at most eight, and the result are types with serde's `Serialize` and `Deserialize`. A
/// function may also borrow an argument, as `&str`, `&[T]`, `&T` or `&Path`: the worker owns the
/// value and lends it.
///
/// # Options
///
/// - `name = "…"`: the name in the registry, instead of the function's path.
/// - `for(T = [u32, String], N = [1, 2])`: the instances of a generic function, or of a generic
///   `impl` block, to register: every combination of the listed types and values.
/// - `crate = path`: where `parproc` is, if not at `::parproc`.
///
/// ```ignore
/// #[parallel]
/// fn count(text: &str, letter: char) -> usize {
///     text.chars().filter(|&c| c == letter).count()
/// }
///
/// #[parallel(for(T = [u32, String]))]
/// fn largest<T: Ord>(items: Vec<T>) -> Option<T> {
///     items.into_iter().max()
/// }
/// ```
#[proc_macro_attribute]
pub fn parallel(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::parallel(args.into(), item.into()).into()
}

//! The `#[parallel]` attribute of `parproc`: checks a function, leaves it as it is, registers it.
//!
//! Use it through `parproc::parallel`. What it expands to reaches into a hidden module of that
//! crate, and the two versions belong together.

mod actor;
mod args;
mod expand;
mod instance;
mod item;
mod limits;
mod mistakes;
mod registration;
mod source;
mod spans;
mod text;
mod types;
mod valid;

use proc_macro::TokenStream;

// Documented where users find it, at `parproc::parallel`: rustdoc shows both texts there.
#[expect(missing_docs, reason = "documented at its re-export")]
#[proc_macro_attribute]
pub fn parallel(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::parallel(args.into(), item.into()).into()
}

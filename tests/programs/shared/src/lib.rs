//! A Rust `dylib` that holds parproc, for programs that depend on both.

#[expect(unused_imports, reason = "links the crate into the library")]
pub use parproc as _;

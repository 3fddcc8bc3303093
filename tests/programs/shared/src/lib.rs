//! A Rust `dylib` that holds parproc, for programs that depend on both.

pub use parproc as _;

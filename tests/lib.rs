//! Holds the package together: the files beside it are what it is for.

mod common;
mod footprint;

pub use common::*;
pub use footprint::*;

//! Pages about the library as a whole.

#[doc = include_str!("guide/scale.md")]
pub mod scale {}

//! Pages about the library as a whole.
//!
//! | page | answers |
//! | --- | --- |
//! | [`failure`] | what happens when a task panics, crashes, hangs or grows, and what can be set for it |
//! | [`sharing`] | how processes share data, which way is for what, and what each costs |
//! | [`speed`] | how to measure, and what makes a call fast or slow |
//! | [`scale`] | how cost grows with workers, items, bytes and callers |
//!
//! Every Rust example in them is run by the tests of this crate.

#[doc = include_str!("guide/failure.md")]
pub mod failure {}

#[doc = include_str!("guide/scale.md")]
pub mod scale {}

#[doc = include_str!("guide/sharing.md")]
pub mod sharing {}

#[doc = include_str!("guide/speed.md")]
pub mod speed {}

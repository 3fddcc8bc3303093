//! TODO
mod builder;
mod call;
mod handle;

pub use builder::ActorBuilder;
pub use call::{Call, build, call};
pub use handle::{Actor, Handle};

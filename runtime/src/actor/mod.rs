//! TODO
mod builder;
mod call;
mod handle;
mod made;

pub use builder::ActorBuilder;
pub use call::{Call, build, call};
pub use handle::{Actor, Handle};
pub use made::{Made, PutNothing};

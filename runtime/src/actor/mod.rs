//! TODO
mod builder;
pub(crate) mod call;
mod door;
pub(crate) mod handle;
mod here;
mod line;
pub(crate) mod made;
mod message;

pub use builder::ActorBuilder;
pub use handle::{Actor, Handle};

//! Processes that are started, watched, limited and ended.

mod child;
mod limits;
mod role;
mod spawn;
mod tree;

//! Processes that are started, watched, limited and ended.

mod child;
mod role;
mod tree;

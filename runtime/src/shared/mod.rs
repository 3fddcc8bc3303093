//! What processes share: memory that all read, and memory that all write.

mod plain;

pub use plain::Plain;

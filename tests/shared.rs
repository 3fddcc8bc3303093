//! Arrays, cells, and values that are only read, between processes.

#[path = "shared/broadcast.rs"]
mod broadcast;
#[path = "shared/elements.rs"]
mod elements;
#[path = "shared/kills.rs"]
mod kills;
#[path = "shared/leaks.rs"]
mod leaks;
#[path = "shared/parts.rs"]
mod parts;

//! Locks, conditions, semaphores, barriers, events and once, between processes.

#[path = "sync/barriers.rs"]
mod barriers;
#[path = "sync/deaths.rs"]
mod deaths;
#[path = "sync/kills.rs"]
mod kills;
#[path = "sync/leaks.rs"]
mod leaks;
#[path = "sync/locks.rs"]
mod locks;
#[path = "sync/waits.rs"]
mod waits;

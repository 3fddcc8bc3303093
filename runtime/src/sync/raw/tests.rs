mod explore;
pub(in crate::sync) mod lock;
mod lock_model;
mod rwlock;
mod rwlock_model;

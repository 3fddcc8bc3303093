//! Locks and other ways to wait for one another, for the processes of a family.

pub(crate) mod raw;

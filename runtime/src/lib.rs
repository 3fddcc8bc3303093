//! scaffold
#![allow(dead_code, missing_docs, unused_imports)]
mod error;
mod shm;
mod sys;
pub use error::{Error, Result, TaskError, TryMapError};

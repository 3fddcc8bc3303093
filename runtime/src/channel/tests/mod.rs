//! Tests of channels within one process.

mod ends;
mod signs;

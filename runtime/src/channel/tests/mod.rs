//! Tests of channels within one process.

mod death;
mod ends;
mod hostile;
mod model;
mod regions;
mod select;
mod signs;

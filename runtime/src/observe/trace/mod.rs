//! A trace: a file in the Chrome trace event format, written as things happen.
//!
//! The format is that of the document "Trace Event Format" of the Chromium project, in its form as an array, which
//! need not be closed. Each event is one line, and lines are written whole, so that a file whose program was killed
//! can be opened too.

mod file;
mod record;
#[cfg(test)]
mod tests;
mod tracks;

pub use file::Trace;

//! Record batches of Apache Arrow as arguments and results, with the feature `arrow`.
//!
//! A [`Batch`] is a [`RecordBatch`](arrow_array::RecordBatch) that functions take and return:
//!
//! ```
//! use std::sync::Arc;
//!
//! use parproc::arrow::Batch;
//! use parproc::arrow::arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
//! use parproc::{par_map, parallel};
//!
//! #[parallel]
//! fn doubled(batch: Batch) -> Result<Batch, String> {
//!     let numbers = batch.column_by_name("n").ok_or("there is no column `n`")?;
//!     let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or("`n` holds no i64")?;
//!     let doubled: ArrayRef = Arc::new(numbers.unary::<_, Int64Type>(|n| 2 * n));
//!     let batch = RecordBatch::try_from_iter([("n", doubled)]);
//!     batch.map(Batch).map_err(|error| error.to_string())
//! }
//!
//! let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
//! let batch = RecordBatch::try_from_iter([("n", numbers)])?;
//! let parts = [batch.slice(0, 2), batch.slice(2, 1)];
//! let doubled = par_map(doubled, parts.map(Batch))?;
//! let first = doubled[0].as_ref().map_err(|error| error.clone())?;
//! assert_eq!(first.column(0).as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(2), None]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A field of a struct of your own needs no `Batch`:
//!
//! ```
//! use parproc::arrow::arrow_array::RecordBatch;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Table {
//!     name: String,
//!     #[serde(with = "parproc::arrow")]
//!     rows: RecordBatch,
//! }
//! ```
//!
//! All types of columns and all metadata get through. Of a slice only its own rows travel, save the text of views and the
//! values of dictionaries, which travel whole. A batch of another version of the crate `arrow-array` is another
//! type: [`arrow_array`] is the one that is meant here.
//!
//! # What it costs
//!
//! A batch travels as a stream of the [IPC format], its buffers copied whole from where they are and once more
//! at the other end, into aligned memory in which its columns then lie. There they are checked: text for UTF-8, and
//! offsets, keys and nulls for what they must be. On 2 CPUs, there and back:
//!
//! | what | batch of one column | beside |
//! | --- | --- | --- |
//! | one `f64` | 16 µs | `Vec<f64>` 4.6 µs |
//! | 100,000 `f64` | 1.2 ms | `Vec<f64>` 0.5 ms |
//! | 50 MB of `f64` | 175 ms | `Vec<f64>` 52 ms |
//! | a million short texts | 72 ms | `Vec<String>` 190 ms |
//!
//! Memory of which a batch uses a part is kept as long as the batch, or a column of it.
//!
//! # What comes from a worker that went wrong
//!
//! Its bytes are checked before anything is made of them, and are an error if they are no batch
//! ([`TaskError::is_decode`](crate::TaskError::is_decode)). Where the crate `arrow-ipc` panics instead of returning an
//! error, that is caught, and the error says what it said; only a program built with `panic = "abort"` ends there.
//!
//! [IPC format]: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

mod batch;
mod check;
mod read;
mod write;

pub use arrow_array;
pub use batch::Batch;
pub use read::deserialize;
pub use write::serialize;

#[cfg(test)]
mod tests;

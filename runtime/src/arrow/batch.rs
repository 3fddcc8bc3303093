//! A record batch as an argument or a result of its own.

use std::ops::{Deref, DerefMut};

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

/// A [`RecordBatch`] that is an argument or a result, alone or in vectors, options and other values.
///
/// It is used as the batch that it holds, and made of one by `Batch(batch)` or `batch.into()`. What it costs to send
/// one stands at [the module](super). Sending fails ([`TaskError::is_encode`](crate::TaskError::is_encode)) where the
/// crate `arrow-ipc` cannot write a type.
///
/// ```
/// use std::sync::Arc;
///
/// use parproc::arrow::Batch;
/// use parproc::arrow::arrow_array::{ArrayRef, Int32Array, RecordBatch};
///
/// let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
/// let batch = Batch(RecordBatch::try_from_iter([("n", numbers)])?);
/// assert_eq!(batch.num_rows(), 3);
/// let batch: RecordBatch = batch.into();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch(#[serde(with = "super")] pub RecordBatch);

impl Deref for Batch {
    type Target = RecordBatch;

    fn deref(&self) -> &RecordBatch {
        &self.0
    }
}

impl DerefMut for Batch {
    fn deref_mut(&mut self) -> &mut RecordBatch {
        &mut self.0
    }
}

impl From<RecordBatch> for Batch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

impl From<Batch> for RecordBatch {
    fn from(batch: Batch) -> Self {
        batch.0
    }
}

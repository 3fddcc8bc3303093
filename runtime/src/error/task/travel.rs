//! An item's error on its way to another process of the program.

use super::TaskError;

impl TaskError {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // A path that is no text is the only thing that cannot be written.
        postcard::to_stdvec(&*self.inner)
            .or_else(|_| {
                let mut inner = self.inner.clone();
                inner.saved = None;
                postcard::to_stdvec(&*inner)
            })
            .unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let inner = postcard::from_bytes(bytes).ok()?;
        Some(Self {
            inner: Box::new(inner),
        })
    }
}

//! What one process knows about a shared object.

use std::any::Any;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A value of a type that is known when it is made.
#[derive(Default)]
pub(super) struct Local {
    value: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Held while it is made: the standard cell has no form for what can fail.
    making: Mutex<()>,
}

impl Local {
    pub(super) fn is_made(&self) -> bool {
        self.value.get().is_some()
    }

    pub(super) fn get<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<&T> {
        if self.value.get().is_none() {
            let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if self.value.get().is_none() {
                let value = make()?;
                let _ = self.value.set(Box::new(value));
            }
        }
        let value = self.value.get().and_then(|value| value.downcast_ref());
        value.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a shared object is used as one of another kind",
            )
        })
    }
}

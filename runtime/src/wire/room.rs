//! Memory that may not be there: what a caller hands in is no reason to abort the program.

use std::collections::TryReserveError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// There is no memory for something that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// Kept so that there is something left to tell with that nothing is left.
static SPARE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SPARE_KEPT: AtomicBool = AtomicBool::new(false);
/// Enough for a few errors, and less than the allocator would ask the system for by itself.
const SPARE_BYTES: usize = 32 << 10;

/// Passes on what came of asking for memory. When there was none, some is set free.
#[inline]
pub(crate) fn made_room(asked: Result<(), TryReserveError>) -> Result<(), NoMemory> {
    let kept = SPARE_KEPT.load(Ordering::Relaxed);
    if asked.is_ok() != kept {
        keep_spare(asked.is_ok());
    }
    asked.map_err(|_| NoMemory)
}

#[cold]
fn keep_spare(kept: bool) {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if kept {
        // It is never written to, so until it is needed it takes no memory but addresses.
        let kept = spare.try_reserve_exact(SPARE_BYTES).is_ok();
        SPARE_KEPT.store(kept, Ordering::Relaxed);
    } else {
        *spare = Vec::new();
        SPARE_KEPT.store(false, Ordering::Relaxed);
    }
}

/// Appends bytes, unless there is no memory for them.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), NoMemory> {
    reserve(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Makes room for more bytes, unless there is no memory for them.
#[inline]
pub(super) fn reserve(out: &mut Vec<u8>, bytes: usize) -> Result<(), NoMemory> {
    if out.capacity() - out.len() < bytes {
        grow(out, bytes)?;
    }
    Ok(())
}

#[cold]
fn grow(out: &mut Vec<u8>, bytes: usize) -> Result<(), NoMemory> {
    made_room(out.try_reserve(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_memory_for_is_told() {
        let mut out = vec![1];
        assert_eq!(append(&mut out, &[2, 3]), Ok(()));
        assert_eq!(out, [1, 2, 3]);
        assert_eq!(grow(&mut out, isize::MAX as usize), Err(NoMemory));
        assert_eq!(out, [1, 2, 3]);
        out.shrink_to_fit();
        assert_eq!(append(&mut out, &[4; 100]), Ok(()));
    }
}

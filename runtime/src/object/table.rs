//! The objects that this process has.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::descriptor::Object;

static OBJECTS: LazyLock<Mutex<HashMap<u64, Weak<Object>>>> = LazyLock::new(Mutex::default);

fn objects() -> MutexGuard<'static, HashMap<u64, Weak<Object>>> {
    OBJECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The object with this id, if this process has it.
pub(super) fn find(id: u64) -> Option<Arc<Object>> {
    objects().get(&id)?.upgrade()
}

/// True if this process has the object with this id.
#[cfg(test)]
pub(crate) fn is_here(id: u64) -> bool {
    find(id).is_some()
}

/// Enters a new object, unless one with the same id is there; gives the one that is there now.
pub(super) fn enter(object: Object) -> Arc<Object> {
    let mut objects = objects();
    if let Some(known) = objects.get(&object.id()).and_then(Weak::upgrade) {
        // Its drop looks into the table, too.
        drop(objects);
        return known;
    }
    let object = Arc::new(object);
    objects.insert(object.id(), Arc::downgrade(&object));
    object
}

/// An object is about to go.
pub(super) fn leave(object: &Object) {
    let mut objects = objects();
    // Another one with this id may have come in since the last handle was dropped.
    let known = objects.get(&object.id()).map(Weak::as_ptr);
    if known.is_some_and(|known| std::ptr::eq(known, object)) {
        objects.remove(&object.id());
    }
}

/// What the objects of this process take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) objects: usize,
    /// Of memory that is shared.
    pub(crate) bytes: usize,
    pub(crate) descriptors: usize,
}

pub(crate) fn usage() -> Usage {
    let objects: Vec<_> = objects().values().filter_map(Weak::upgrade).collect();
    Usage {
        objects: objects.len(),
        bytes: objects.iter().map(|object| object.len()).sum(),
        descriptors: objects.len(),
    }
}

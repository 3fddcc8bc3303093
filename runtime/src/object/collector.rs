//! Handles inside of values: written as ids, while the objects are gathered beside.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::descriptor::Object;
use super::table;

thread_local! {
    static GATHERED: RefCell<Option<Vec<Arc<Object>>>> = const { RefCell::new(None) };
}

/// What `encode` gives, and the objects that the values name which it encodes.
#[inline]
pub(crate) fn collect<R>(encode: impl FnOnce() -> R) -> (R, Vec<Arc<Object>>) {
    if !table::is_used() {
        return (encode(), Vec::new());
    }
    let collector = Collector::start();
    let encoded = encode();
    (encoded, collector.finish())
}

/// Gathers the objects that values name while this thread encodes them, as long as it lives.
///
/// Collectors nest: what the encoding of a value does besides does not get mixed up with it.
#[derive(Debug)]
pub(crate) struct Collector {
    before: Option<Vec<Arc<Object>>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let before = GATHERED.with(|gathered| gathered.replace(Some(Vec::new())));
        Self { before }
    }

    /// True if nothing was gathered since the last [`take`](Self::take).
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        GATHERED.with_borrow(|gathered| gathered.as_ref().is_none_or(Vec::is_empty))
    }

    /// What was gathered since the last time, each object once.
    pub(crate) fn take(&mut self) -> Vec<Arc<Object>> {
        let mut objects = GATHERED
            .with_borrow_mut(|gathered| gathered.as_mut().map(std::mem::take))
            .unwrap_or_default();
        if objects.len() > 1 {
            objects.sort_unstable_by_key(|object| object.id());
            objects.dedup_by_key(|object| object.id());
        }
        objects
    }

    pub(crate) fn finish(mut self) -> Vec<Arc<Object>> {
        self.take()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let before = self.before.take();
        // The objects are dropped outside of the borrow: their farewells are anybody's code.
        let gathered = GATHERED.with(|gathered| gathered.replace(before));
        drop(gathered);
    }
}

/// Writes the id of `object`, which the open [`Collector`] of this thread takes note of.
///
/// # Errors
/// When there is none: then nobody takes the object along.
pub(crate) fn serialize<S: Serializer>(
    object: &Arc<Object>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let known = GATHERED.with_borrow_mut(|gathered| {
        let objects = gathered.as_mut()?;
        // Most often it is the same one again.
        if !objects.last().is_some_and(|last| Arc::ptr_eq(last, object)) {
            objects.push(Arc::clone(object));
        }
        Some(())
    });
    if known.is_none() {
        return Err(serde::ser::Error::custom(
            "what processes share can travel in arguments, results and channels of parproc only",
        ));
    }
    object.id().serialize(serializer)
}

/// Reads what [`serialize`] wrote, in a process that the object came to.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Object>, D::Error> {
    let id = u64::deserialize(deserializer)?;
    table::find(id).ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "the shared object {id:016x} did not come along: too many descriptors are open here, \
             or on their way"
        ))
    })
}

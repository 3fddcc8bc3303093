//! Handles inside of values: written as ids, while the objects are gathered beside.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::descriptor::Object;
use super::table;

thread_local! {
    /// Of all open collectors, each behind those around it; without memory while none is open. It has nothing
    /// to drop, so that it is there as long as its thread: other values of the thread may say good-bye.
    static GATHERED: RefCell<ManuallyDrop<Vec<Arc<Object>>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    static OPEN: Cell<bool> = const { Cell::new(false) };
}

fn gathered() -> usize {
    GATHERED.with_borrow(|gathered| gathered.len())
}

fn take_from(start: usize) -> Vec<Arc<Object>> {
    GATHERED.with_borrow_mut(|gathered| match start {
        0 => std::mem::take(&mut **gathered),
        _ => gathered.split_off(start),
    })
}

/// What `encode` gives, and the objects that the values name which it encodes, each once.
#[inline]
pub(crate) fn collect<R>(encode: impl FnOnce() -> R) -> (R, Vec<Arc<Object>>) {
    let collector = Collector::start();
    let encoded = encode();
    (encoded, collector.finish())
}

/// Gathers the objects that values name while this thread encodes them, as long as it lives.
///
/// Collectors nest: what the encoding of a value does besides does not get mixed up with it.
#[derive(Debug)]
struct Collector {
    was_open: bool,
    before: usize,
}

impl Collector {
    #[inline]
    fn start() -> Self {
        Self {
            was_open: OPEN.replace(true),
            before: gathered(),
        }
    }

    #[inline]
    fn finish(self) -> Vec<Arc<Object>> {
        if gathered() == self.before {
            return Vec::new();
        }
        let mut objects = take_from(self.before);
        objects.sort_unstable_by_key(|object| object.id());
        objects.dedup_by_key(|object| object.id());
        objects
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        OPEN.set(self.was_open);
        // What the encoding left when it panicked. Dropped outside of the borrow: mourners are anybody's.
        if gathered() > self.before {
            drop(take_from(self.before));
        }
    }
}

/// Writes the id of `object`, which the [`collect`] around it takes note of.
///
/// # Errors
/// When there is none around it: then nobody takes the object along.
pub(crate) fn serialize<S: Serializer>(
    object: &Arc<Object>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if !OPEN.get() {
        return Err(serde::ser::Error::custom(
            "what processes share can travel in arguments, results and channels of parproc only",
        ));
    }
    GATHERED.with_borrow_mut(|gathered| gathered.push(Arc::clone(object)));
    object.id().serialize(serializer)
}

/// True if a value that was encoded names the object: ids are so long and random that nothing else looks like one.
#[cfg(feature = "mpi")]
pub(crate) fn is_named_in(object: &Object, bytes: &[u8]) -> bool {
    let mut room = [0; 10];
    let id = postcard::to_slice(&object.id(), &mut room);
    id.is_ok_and(|id| bytes.windows(id.len()).any(|window| window == id))
}

/// Reads what [`serialize`] wrote, in a process that the object came to.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Object>, D::Error> {
    let id = u64::deserialize(deserializer)?;
    table::find(id).ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "the shared object {id:016x} did not come along: too many descriptors are open here, \
             or on their way, or there is no memory for it on this machine"
        ))
    })
}

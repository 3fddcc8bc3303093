//! The item that this thread runs itself, in a pool without workers.

use std::cell::Cell;

use super::batch::{Batch, Item};

thread_local! {
    static HERE: Cell<Option<Item>> = const { Cell::new(None) };
}

/// Items run in this thread while it lives; those around them are back behind it.
#[derive(Debug)]
pub(crate) struct Here {
    batch: Batch,
    before: Option<Item>,
}

impl Here {
    /// The items are those of `batch`. Outside of any until [`begin`](Self::begin).
    pub(crate) fn enter(batch: Batch) -> Self {
        let before = item();
        Self { batch, before }
    }

    /// The item begins that comes `offset` after the first.
    pub(crate) fn begin(&self, offset: u32) {
        set(Some(self.batch.item(offset.into())));
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        set(self.before);
    }
}

pub(super) fn item() -> Option<Item> {
    // A thread that ends may have dropped it.
    HERE.try_with(Cell::get).ok().flatten()
}

fn set(item: Option<Item>) {
    let _ = HERE.try_with(|here| here.set(item));
}

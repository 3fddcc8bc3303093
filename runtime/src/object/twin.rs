//! Frozen memory on its way to another machine, where it is the same object: nobody can tell them apart.

use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::descriptor::{Flags, Object};
use super::tag::Tag;
use crate::sys::Draft;

/// A frozen object, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Twin {
    id: u64,
    tag: Tag,
    keep: bool,
}

/// An object that is made from what comes of it.
#[derive(Debug)]
pub(crate) struct TwinDraft {
    twin: Twin,
    draft: Draft,
}

impl Object {
    /// The object and its bytes, as they are told to another machine; none of what is not frozen.
    pub(crate) fn twin(&self) -> Option<(Twin, &[u8])> {
        let (tag, bytes) = self.contents()?;
        let Flags { keep, waits } = self.flags();
        let id = self.id();
        (!waits).then_some((Twin { id, tag, keep }, bytes))
    }
}

impl TwinDraft {
    /// Of an object with so many bytes.
    pub(crate) fn new(twin: Twin, len: usize) -> io::Result<Self> {
        let draft = Object::draft(twin.tag, len)?;
        Ok(Self { twin, draft })
    }

    /// Takes in the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.draft.file().write_all(bytes)
    }

    /// The object, when all bytes are there; or the one with its id that is here already.
    pub(crate) fn finish(self) -> io::Result<Arc<Object>> {
        let Twin { id, keep, .. } = self.twin;
        let flags = Flags { keep, waits: false };
        Object::freeze(id, flags, self.draft)
    }
}

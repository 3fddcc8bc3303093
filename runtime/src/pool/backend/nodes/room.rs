//! Where the body of a message goes while it comes.

use std::sync::Arc;

use crate::object::{Object, Twin, TwinDraft};
use crate::sys::{advise_huge, advise_huge_room};
use crate::wire::Landing;

/// Room for a body, and how long that is.
#[derive(Debug)]
pub(super) enum Room {
    Bytes(Vec<u8>, usize),
    Landing(Box<dyn Landing>, usize),
    /// None when there is no memory for it: who misses it will say so.
    Object(Option<TwinDraft>, usize),
    /// It is taken in and forgotten: nobody wants it, or there is no memory for it.
    Nothing(usize),
    /// Who sends it gave it up.
    Void(usize),
}

impl Room {
    /// For a body of so many bytes, if there is memory for it.
    pub(super) fn bytes(len: usize) -> Self {
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(len).is_err() {
            return Room::Nothing(len);
        }
        // A fault on each fresh page would cost more than the copying.
        advise_huge_room(&mut bytes);
        Room::Bytes(bytes, len)
    }

    /// For a body in its final place.
    pub(super) fn landing(mut landing: Box<dyn Landing>, len: usize) -> Self {
        advise_huge(landing.bytes_mut());
        Room::Landing(landing, len)
    }

    /// For the bytes of an object.
    pub(super) fn object(twin: Twin, len: usize) -> Self {
        Room::Object(TwinDraft::new(twin, len).ok(), len)
    }

    /// The object that came; none if there is no memory for it.
    pub(super) fn into_object(self, twin: Twin) -> Option<Arc<Object>> {
        let draft = match self {
            Room::Object(draft, _) => draft?,
            Room::Bytes(bytes, _) => {
                let mut draft = TwinDraft::new(twin, bytes.len()).ok()?;
                draft.write(&bytes).ok()?;
                draft
            }
            Room::Landing(..) | Room::Nothing(_) | Room::Void(_) => return None,
        };
        draft.finish().ok()
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Room::Bytes(_, len)
            | Room::Landing(_, len)
            | Room::Object(_, len)
            | Room::Nothing(len)
            | Room::Void(len) => *len,
        }
    }

    /// Takes in the next bytes; false if they are more than was said.
    pub(super) fn take(&mut self, filled: usize, part: &[u8]) -> bool {
        match self {
            Room::Bytes(bytes, len) => {
                let fits = part.len() <= *len - bytes.len();
                if fits {
                    bytes.extend_from_slice(part);
                }
                fits
            }
            Room::Landing(landing, _) => {
                let rest = landing.bytes_mut().get_mut(filled..filled + part.len());
                rest.map(|rest| rest.copy_from_slice(part)).is_some()
            }
            Room::Object(draft, len) => {
                let fits = part.len() <= *len - filled;
                let written = |draft: &mut TwinDraft| fits && draft.write(part).is_ok();
                if !draft.as_mut().is_some_and(written) {
                    *draft = None;
                }
                fits
            }
            Room::Nothing(len) | Room::Void(len) => part.len() <= *len - filled,
        }
    }
}

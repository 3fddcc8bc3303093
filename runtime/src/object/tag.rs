//! What is inside of an object, in a word that two processes of one program agree on.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// Names a kind of object and the type of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag(pub(super) u64);

impl Tag {
    /// The tag of a `kind` of object that holds values of type `T`.
    pub(crate) fn of<T: ?Sized>(kind: &str) -> Self {
        // The standard hasher has fixed keys, and processes of a family run the same program, in which
        // a type has one id. Names of types are not unique.
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        typeid::of::<T>().hash(&mut hasher);
        Self(hasher.finish())
    }
}

//! All registrations of the program, sorted by name.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use super::{Limits, Registration};
use crate::error::{Error, ErrorKind, Result};

/// A function's place in the table, the same in parent and worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FunctionId(pub(crate) u32);

/// Stands for a function that the table does not have.
pub(crate) const NO_FUNCTION: FunctionId = FunctionId(u32::MAX);

#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<&'static Registration>,
    by_type: HashMap<TypeId, FunctionId, BuildHasherDefault<AsItIs>>,
    fingerprint: u64,
}

/// What is hashed is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The table of this program, made at the first call.
///
/// Fails when two functions have one name.
pub(crate) fn table() -> Result<&'static Table> {
    static TABLE: OnceLock<Result<Table>> = OnceLock::new();
    let table = TABLE.get_or_init(|| Table::new(inventory::iter::<Registration>.into_iter()));
    table.as_ref().map_err(Error::again)
}

impl Table {
    pub(super) fn new(entries: impl Iterator<Item = &'static Registration>) -> Result<Self> {
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| (entry.name(), entry.file, entry.line));
        if let Some(pair) = entries
            .windows(2)
            .find(|pair| pair[0].name() == pair[1].name())
        {
            return Err(Error::new(ErrorKind::Duplicate {
                name: pair[0].name().to_owned(),
                first: pair[0].place(),
                second: pair[1].place(),
            }));
        }
        let by_type = (0..)
            .zip(&entries)
            .map(|(id, e)| (e.identity().type_id, FunctionId(id)));
        let by_type = by_type.collect();
        let fingerprint = fingerprint(&entries);
        Ok(Self {
            entries,
            by_type,
            fingerprint,
        })
    }

    /// The function whose item has type `F`.
    ///
    /// Fails when it is not registered.
    pub(crate) fn find<F: 'static>(&self) -> Result<FunctionId> {
        self.by_type
            .get(&TypeId::of::<F>())
            .copied()
            .ok_or_else(|| {
                Error::new(ErrorKind::NotRegistered {
                    function: type_name::<F>().to_owned(),
                })
            })
    }

    pub(crate) fn get(&self, id: FunctionId) -> Option<&'static Registration> {
        self.entries.get(id.0 as usize).copied()
    }

    pub(crate) fn name(&self, id: FunctionId) -> &'static str {
        self.get(id).map_or("", Registration::name)
    }

    pub(crate) fn arguments(&self, id: FunctionId) -> usize {
        self.get(id).map_or(0, |entry| entry.arguments)
    }

    /// What the function's attribute says about time, memory and attempts.
    pub(crate) fn limits(&self, id: FunctionId) -> Limits {
        self.get(id)
            .map_or_else(Limits::default, |entry| entry.limits)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Registration> {
        self.entries.iter().copied()
    }

    /// Differs when the functions of two programs differ in name, signature or place.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// FNV-1a with 64 bits, with the offset basis and prime of its authors (Fowler, Noll, Vo).
fn fingerprint(entries: &[&Registration]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |text: &str| {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    add(env!("CARGO_PKG_VERSION"));
    for entry in entries {
        add(entry.name());
        add(entry.signature);
        add(&entry.place());
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::identity;

    fn one() {}
    fn two() {}

    static ONE: Registration = Registration::new(
        Some("f"),
        || identity(&one),
        "fn one()",
        "a.rs",
        1,
        0,
        |_| (),
    );
    static TWO: Registration = Registration::new(
        Some("f"),
        || identity(&two),
        "fn two()",
        "b.rs",
        2,
        0,
        |_| (),
    );
    static RENAMED: Registration = Registration::new(
        Some("e"),
        || identity(&two),
        "fn two()",
        "b.rs",
        2,
        0,
        |_| (),
    );

    #[test]
    fn a_doubled_name_shows_both_places() {
        let error = Table::new([&TWO, &ONE].into_iter()).unwrap_err();
        assert!(error.is_duplicate());
        let text = error.to_string();
        assert!(text.contains("a.rs:1") && text.contains("b.rs:2"), "{text}");
    }

    #[test]
    fn the_order_of_linking_changes_nothing() {
        let table = Table::new([&ONE, &RENAMED].into_iter()).unwrap();
        let other = Table::new([&RENAMED, &ONE].into_iter()).unwrap();
        assert_eq!(table.fingerprint(), other.fingerprint());
        let id = find(&table, &one);
        assert_eq!(id, find(&other, &one));
        assert_eq!(table.name(id), "f");
    }

    #[test]
    fn another_function_changes_the_fingerprint() {
        let table = Table::new([&ONE].into_iter()).unwrap();
        let other = Table::new([&ONE, &RENAMED].into_iter()).unwrap();
        assert_ne!(table.fingerprint(), other.fingerprint());
    }

    fn find<F: 'static>(table: &Table, _function: &F) -> FunctionId {
        table.find::<F>().unwrap()
    }
}

//! The format of a journal.
//!
//! | bytes | what |
//! | --- | --- |
//! | 12 | the [`Kind`] |
//! | 4 | the length of the header |
//! | 4 | the CRC-32 of all before |
//! | | the header, in the postcard format |
//! | 4 | the CRC-32 of the header |
//! | | records |
//!
//! A record:
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | the length of the result |
//! | 8 | the index of the item |
//! | 16 | the [`digest`] of its arguments |
//! | 4 | the attempt at which it came |
//! | 4 | the CRC-32 of all before, from the beginning of the record |
//! | | the result, as it came from the worker |
//! | 4 | the CRC-32 of the result |
//!
//! Numbers are little-endian. Since lengths have checksums of their own, a file that ends early is told from one
//! that is damaged.

use std::ops::Deref;

use crc32fast::hash;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::format::{Kind, check_version, half, part, word};

pub(super) const KIND: Kind = Kind {
    name: "journal",
    magic: *b"parprocJ",
    format: 1,
};

/// Bytes before the header.
pub(super) const START: usize = Kind::BYTES + 8;
/// Bytes of a record before the result.
pub(super) const HEAD: usize = 40;
/// Bytes of a checksum behind something.
pub(super) const END: usize = 4;

/// Whose results they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The version of parproc.
    pub(crate) version: String,
    pub(crate) function: String,
    pub(crate) signature: String,
    /// The type of the results.
    pub(crate) result: String,
    /// That of the call.
    pub(crate) seed: u64,
}

impl Header {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        let header = postcard::to_stdvec(self)?;
        let mut bytes = KIND.start();
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(hash(&bytes).to_le_bytes());
        bytes.extend(&header);
        bytes.extend(hash(&header).to_le_bytes());
        Ok(bytes)
    }

    /// Whether the results of `self` are what a call wants; says why not. A seed of the call has to be the same.
    pub(super) fn check(&self, wanted: &Self, seeded: bool) -> Result<(), String> {
        check_version(&self.version)?;
        let differs = |what: &str, found: &str, wanted: &str| {
            format!("it has results of {what}`{found}`, and this call is of {what}`{wanted}`")
        };
        if self.function != wanted.function {
            return Err(differs("", &self.function, &wanted.function));
        }
        if self.signature != wanted.signature {
            return Err(differs("", &self.signature, &wanted.signature));
        }
        if self.result != wanted.result {
            return Err(differs("type ", &self.result, &wanted.result));
        }
        if seeded && self.seed != wanted.seed {
            let (found, wanted) = (self.seed, wanted.seed);
            return Err(format!(
                "it was begun with the seed {found}, and this call has the seed {wanted}"
            ));
        }
        Ok(())
    }
}

/// What stands before a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) len: u64,
    pub(super) index: u64,
    pub(super) digest: u128,
    pub(super) attempt: u32,
}

impl Head {
    pub(super) fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.index.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.digest.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.attempt.to_le_bytes());
        let crc = hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// None if it is damaged.
    pub(super) fn from_bytes(bytes: &[u8; HEAD]) -> Option<Self> {
        let head = Self {
            len: word(bytes, 0),
            index: word(bytes, 8),
            digest: u128::from_le_bytes(part(bytes, 16)),
            attempt: half(bytes, 32),
        };
        (hash(&bytes[..36]) == half(bytes, 36)).then_some(head)
    }
}

/// Tells the arguments of an item from others: XXH3 with 128 bits, of Y. Collet, <https://xxhash.com>. That other
/// arguments have the same is not to be expected.
pub(crate) fn digest(pieces: impl Iterator<Item: Deref<Target = [u8]>>) -> u128 {
    let mut hasher = Xxh3::new();
    for piece in pieces {
        hasher.update(&piece);
    }
    hasher.digest128()
}

//! The few fixed messages: the header of a chunk, and what a worker says when it starts.

use serde::{Deserialize, Serialize};

/// What stands before the items of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Counted from 1 for each worker; names the chunk's claim.
    pub(crate) number: u64,
    /// Index of the function in the table, which is the same on both sides.
    pub(crate) function: u32,
    /// Items in the chunk.
    pub(crate) count: u32,
    /// Bytes of all the items.
    pub(crate) bytes: u64,
    /// The worker need not claim it: the parent does not take it back.
    pub(crate) granted: bool,
}

impl FrameHeader {
    pub(crate) const BYTES: usize = 28;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.number.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.function.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.bytes.to_ne_bytes());
        bytes[24..].copy_from_slice(&u32::from(self.granted).to_ne_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(word)
        };
        let half = |at: usize| {
            let mut half = [0; 4];
            half.copy_from_slice(&bytes[at..at + 4]);
            u32::from_ne_bytes(half)
        };
        Self {
            number: word(0),
            function: half(8),
            count: half(12),
            bytes: word(16),
            granted: half(24) != 0,
        }
    }
}

/// The first and only message of a worker over its channel.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// Of the worker's table of functions.
    pub(crate) fingerprint: u64,
    /// Why it refuses to work, if it does.
    pub(crate) refusal: Option<String>,
}

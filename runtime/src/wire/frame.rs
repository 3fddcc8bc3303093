//! The one fixed message: the header of a chunk.

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
    /// The worker tells the time at which it begins each single item.
    pub(crate) clocked: bool,
    /// What the items name comes through the worker's socket, and was sent before.
    pub(crate) carries: bool,
    /// If not 0, the items are plain numbers of that many bytes in a row.
    pub(crate) width: u8,
    /// If not 0, the results are plain numbers of that many bytes, and come back in a row as long as each item
    /// has one.
    pub(crate) row: u8,
    /// The parent wants to know at once when the worker begins it.
    pub(crate) told: bool,
    /// The parent may take back the items that are not begun.
    pub(crate) divisible: bool,
    /// The worker tells when each item ran, and how long what of it took: [`Times`](super::Times).
    pub(crate) timed: bool,
    /// What the items know of themselves: how they are numbered, from which number on, which attempt it is at
    /// them, and the seed of their call.
    pub(crate) numbering: Numbering,
    pub(crate) first: u64,
    pub(crate) attempt: u32,
    pub(crate) seed: u64,
    /// What the caller wants to hear of what its items log.
    pub(crate) levels: Levels,
}

/// What the position of an item in its call is to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// Its index.
    Items,
    /// Nothing: each is a call of its own, and its index is 0.
    Tasks,
    /// Nothing: it has no index.
    Unnumbered,
}

impl Numbering {
    pub(crate) fn to_bits(self) -> u32 {
        match self {
            Numbering::Unnumbered => 0,
            Numbering::Items => 1,
            Numbering::Tasks => 2,
        }
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Numbering::Items,
            2 => Numbering::Tasks,
            _ => Numbering::Unnumbered,
        }
    }
}

/// Up to which level the caller of a chunk wants to hear of `tracing` and of `log`: 0 for nothing, 1 for
/// errors, to 5 for everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Levels {
    pub(crate) tracing: u8,
    pub(crate) log: u8,
}

const GRANTED: u32 = 1;
const CLOCKED: u32 = 2;
const CARRIES: u32 = 4;
const TOLD: u32 = 8;
const DIVISIBLE: u32 = 16;
const TIMED: u32 = 128;
/// Where the numbering stands among the flags, and how long it is.
const NUMBERING: u32 = 5;
const NUMBERING_BITS: u32 = 3;
/// Where the width and the row stand among the flags.
const WIDTH: u32 = 8;
const ROW: u32 = 16;
/// Where the levels do, and the bits of each.
const TRACING: u32 = 24;
const LOG: u32 = 27;
const LEVEL: u32 = 7;

impl FrameHeader {
    pub(crate) const BYTES: usize = 48;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.number.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.function.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.bytes.to_ne_bytes());
        let flags = [
            (self.granted, GRANTED),
            (self.clocked, CLOCKED),
            (self.carries, CARRIES),
            (self.told, TOLD),
            (self.divisible, DIVISIBLE),
            (self.timed, TIMED),
        ];
        let set = flags.iter().filter(|(set, _)| *set);
        let flags = set.fold(0, |flags, (_, flag)| flags | flag);
        let flags = flags | u32::from(self.width) << WIDTH | u32::from(self.row) << ROW;
        let flags = flags | self.numbering.to_bits() << NUMBERING;
        let levels = u32::from(self.levels.tracing) << TRACING | u32::from(self.levels.log) << LOG;
        let flags = flags | levels;
        bytes[24..28].copy_from_slice(&flags.to_ne_bytes());
        bytes[28..32].copy_from_slice(&self.attempt.to_ne_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_ne_bytes());
        bytes[40..].copy_from_slice(&self.seed.to_ne_bytes());
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
            granted: half(24) & GRANTED != 0,
            clocked: half(24) & CLOCKED != 0,
            carries: half(24) & CARRIES != 0,
            told: half(24) & TOLD != 0,
            divisible: half(24) & DIVISIBLE != 0,
            timed: half(24) & TIMED != 0,
            width: (half(24) >> WIDTH) as u8,
            row: (half(24) >> ROW) as u8,
            numbering: Numbering::from_bits(half(24) >> NUMBERING & NUMBERING_BITS),
            attempt: half(28),
            first: word(32),
            seed: word(40),
            levels: Levels {
                tracing: (half(24) >> TRACING & LEVEL) as u8,
                log: (half(24) >> LOG & LEVEL) as u8,
            },
        }
    }
}

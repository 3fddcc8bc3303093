//! What is known of items that run one after the other, and of one among them.

use crate::registry::FunctionId;
use crate::wire::{FrameHeader, Numbering};

/// What the items of a chunk have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) function: FunctionId,
    pub(crate) numbering: Numbering,
    /// Position of the first.
    pub(crate) first: u64,
    pub(crate) attempt: u32,
    /// That of the call.
    pub(crate) seed: u64,
}

/// One item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) function: FunctionId,
    pub(super) index: Option<usize>,
    pub(super) attempt: u32,
    pub(super) seed: u64,
}

impl Batch {
    /// The item that comes `offset` after the first.
    pub(super) fn item(&self, offset: u64) -> Item {
        let position = self.first.wrapping_add(offset);
        let index = match self.numbering {
            Numbering::Items => usize::try_from(position).ok(),
            Numbering::Tasks => Some(0),
            Numbering::Unnumbered => None,
        };
        Item {
            function: self.function,
            index,
            attempt: self.attempt,
            seed: mixed(self.seed, position),
        }
    }
}

impl From<&FrameHeader> for Batch {
    fn from(header: &FrameHeader) -> Self {
        Self {
            function: FunctionId(header.function),
            numbering: header.numbering,
            first: header.first,
            attempt: header.attempt,
            seed: header.seed,
        }
    }
}

/// The number at `position` of what SplitMix64 gives when it begins with `seed`: see [`seed`](super::seed).
fn mixed(seed: u64, position: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = seed.wrapping_add(GOLDEN.wrapping_mul(position.wrapping_add(1)));
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::mixed;

    #[test]
    fn seeds_are_those_of_splitmix64() {
        // What `splitmix64.c` gives when its state begins as 1234567.
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([0, 1, 2, 3, 4].map(|at| mixed(1_234_567, at)), known);
    }
}

//! The format of a saved input.
//!
//! | bytes | what |
//! | --- | --- |
//! | 12 | the [`Kind`] |
//! | 4 | the length of the header |
//! | 8 | the length of the arguments |
//! | | the header, in the postcard format |
//! | | the arguments, as they were sent to the worker |
//! | 4 | the CRC-32 of all before |
//!
//! Numbers are little-endian.

use std::io::{self, Write};
use std::ops::Deref;
use std::time::Duration;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::build::Build;
use crate::format::{Kind, half, word};

const KIND: Kind = Kind {
    name: "saved input",
    magic: *b"parproc\0",
    format: 3,
};
/// Bytes before the header.
const START: usize = 24;
/// Bytes behind the arguments.
const END: usize = 4;

/// What a file says besides the arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of parproc.
    pub(super) version: String,
    pub(super) build: Build,
    /// Of the table of functions.
    pub(super) fingerprint: u64,
    pub(super) function: String,
    pub(super) signature: String,
    pub(super) index: u64,
    pub(super) attempt: u32,
    /// What else the item knew of itself.
    pub(super) numbering: u32,
    pub(super) position: u64,
    pub(super) seed: u64,
    /// The worker's process id.
    pub(super) worker: Option<u32>,
    /// What the pool ran in the worker first.
    pub(super) init: Option<Preparation>,
    /// Since the beginning of 1970.
    pub(super) time: Duration,
    /// The error in one paragraph, and in full.
    pub(super) error: String,
    pub(super) details: String,
}

/// The call of a pool's `init` function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Preparation {
    pub(super) function: String,
    pub(super) signature: String,
    pub(super) arguments: Vec<u8>,
}

/// Writes a file; the arguments come in pieces.
pub(super) fn write(
    out: &mut impl Write,
    header: &Header,
    arguments: impl Iterator<Item: Deref<Target = [u8]>> + Clone,
) -> io::Result<()> {
    let header = postcard::to_stdvec(header).map_err(io::Error::other)?;
    let header_len = u32::try_from(header.len()).map_err(io::Error::other)?;
    let len: usize = arguments.clone().map(|piece| piece.len()).sum();
    let mut start = KIND.start();
    start.extend(header_len.to_le_bytes());
    start.extend((len as u64).to_le_bytes());
    start.extend(header);
    let mut hasher = Hasher::new();
    let mut put = |piece: &[u8]| {
        hasher.update(piece);
        out.write_all(piece)
    };
    put(&start)?;
    for piece in arguments {
        put(&piece)?;
    }
    out.write_all(&hasher.finalize().to_le_bytes())
}

/// Reads a file; says what is wrong with it otherwise.
pub(super) fn read(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    KIND.check(bytes)?;
    let cut_short = |wanted: String| {
        let there = bytes.len();
        format!("it is cut short: of {wanted} bytes {there} are there")
    };
    if bytes.len() < START {
        return Err(cut_short(format!("at least {START}")));
    }
    let header_len = u64::from(half(bytes, Kind::BYTES));
    let len = word(bytes, Kind::BYTES + 4);
    let total = (START + END) as u64 + header_len;
    let total = total.saturating_add(len);
    if (bytes.len() as u64) < total {
        return Err(cut_short(total.to_string()));
    }
    let damaged = |how: &str| format!("it is damaged: {how}");
    if (bytes.len() as u64) > total {
        return Err(damaged(&format!("it should have {total} bytes")));
    }
    let (contents, crc) = bytes.split_at(bytes.len() - END);
    if crc32fast::hash(contents).to_le_bytes() != crc {
        return Err(damaged("its checksum is another one"));
    }
    let (header, arguments) = contents[START..].split_at(header_len as usize);
    let header = postcard::from_bytes(header);
    let header = header.map_err(|error| damaged(&format!("its header: {error}")))?;
    Ok((header, arguments))
}

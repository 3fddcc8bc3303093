//! How the files begin that are kept for later runs: what they are, and in which format.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | what kind of file it is |
//! | 4 | its format, little-endian |

/// A kind of file.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What it is called.
    pub(crate) name: &'static str,
    pub(crate) magic: [u8; 8],
    /// Grows with each change, also of what is written in the format of postcard.
    pub(crate) format: u32,
}

/// The version that writes and reads them. Values are in the formats of `wire`, which versions do not share.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Kind {
    /// Bytes of the beginning.
    pub(crate) const BYTES: usize = 12;

    pub(crate) fn start(&self) -> Vec<u8> {
        [&self.magic[..], &self.format.to_le_bytes()].concat()
    }

    /// True for what an interrupted program may have left of the beginning, or nothing.
    pub(crate) fn is_part(&self, bytes: &[u8]) -> bool {
        bytes.len() < Self::BYTES && self.start().starts_with(bytes)
    }

    /// Says what is wrong with the beginning of a file.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), String> {
        if !bytes.starts_with(&self.magic) {
            return Err(format!("it is no {} of parproc", self.name));
        }
        match bytes[self.magic.len()..].first_chunk() {
            Some(format) if u32::from_le_bytes(*format) != self.format => Err(format!(
                "it is of format {}, and this version of parproc ({VERSION}) reads format {}",
                u32::from_le_bytes(*format),
                self.format
            )),
            _ => Ok(()),
        }
    }
}

/// Says that another version of parproc wrote a file.
pub(crate) fn check_version(version: &str) -> Result<(), String> {
    if version == VERSION {
        return Ok(());
    }
    Err(format!(
        "it was saved by version {version} of parproc, and this program has version {VERSION}"
    ))
}

/// The number of four bytes at `at`.
pub(crate) fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(bytes, at))
}

/// The number of eight bytes at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(part(bytes, at))
}

/// So many bytes from `at` on, zeros where there are none.
pub(crate) fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}

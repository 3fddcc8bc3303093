//! What tells one build of a program from another.

use std::io::{self, Read};
use std::sync::OnceLock;

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use crate::sys::{build_id, program_file};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Build {
    /// What the linker left.
    Id(Vec<u8>),
    /// The linker left nothing: the size of the program's file, and a checksum of it.
    Contents { bytes: u64, crc: u32 },
    /// The file could not be read either.
    Unknown,
}

impl Build {
    /// That of this program.
    pub(super) fn own() -> &'static Self {
        static OWN: OnceLock<Build> = OnceLock::new();
        OWN.get_or_init(|| match build_id() {
            Some(id) => Self::Id(id),
            None => Self::of_contents().unwrap_or(Self::Unknown),
        })
    }

    fn of_contents() -> io::Result<Self> {
        let mut file = program_file()?;
        let mut hasher = Hasher::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    hasher.update(&buffer[..len]);
                    bytes += len as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let crc = hasher.finalize();
        Ok(Self::Contents { bytes, crc })
    }

    /// True when both are known to be the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self == other && *self != Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_tell_builds_apart_when_there_is_no_id() {
        let own = Build::of_contents().unwrap();
        assert!(own.is(&Build::of_contents().unwrap()));
        let Build::Contents { bytes, crc } = own else {
            panic!("{own:?}");
        };
        let size = std::fs::metadata("/proc/self/exe").unwrap().len();
        assert_eq!(bytes, size);
        let crc = crc ^ 1;
        assert!(!own.is(&Build::Contents { bytes, crc }));
        assert!(!Build::Unknown.is(&Build::Unknown));
    }
}

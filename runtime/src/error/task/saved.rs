//! What an item's error says about the file that its input was saved to.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TaskError;

/// Where the input of an item is, or why it is nowhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Saved {
    At(PathBuf),
    Not { reason: String },
}

impl TaskError {
    /// The same error, of an item whose input was saved, or could not be.
    pub(crate) fn with_input(mut self, saved: Result<PathBuf, String>) -> Self {
        self.inner.saved = Some(match saved {
            Ok(path) => Saved::At(path),
            Err(reason) => Saved::Not { reason },
        });
        self
    }

    /// The file that the item's input was saved to, for a pool that has a
    /// [`crash_dir`](crate::PoolBuilder::crash_dir): see [`replay`](crate::replay).
    #[must_use]
    pub fn saved_input(&self) -> Option<&Path> {
        match &self.inner.saved {
            Some(Saved::At(path)) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(path) => {
                let path = path.to_string_lossy();
                write!(
                    f,
                    "`PARPROC_REPLAY={} <program>` repeats the call",
                    Word(&path)
                )
            }
            Self::Not { reason } => write!(f, "its input could not be saved: {reason}"),
        }
    }
}

/// A text as one word of a shell.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
        if self.0.chars().all(plain) {
            f.write_str(self.0)
        } else {
            write!(f, "'{}'", self.0.replace('\'', r"'\''"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TaskErrorKind;

    #[test]
    fn the_message_says_how_to_repeat_the_call_or_why_that_cannot_be_done() {
        let error = |saved| {
            TaskError::new("f", 3, None, TaskErrorKind::Corrupted)
                .with_input(saved)
                .to_string()
        };
        let plain = error(Ok("/tmp/f-3.parproc".into()));
        assert!(
            plain.ends_with("; `PARPROC_REPLAY=/tmp/f-3.parproc <program>` repeats the call"),
            "{plain}"
        );
        let quoted = error(Ok("/it's here/f".into()));
        assert!(
            quoted.contains(r"PARPROC_REPLAY='/it'\''s here/f' <program>"),
            "{quoted}"
        );
        let failed = error(Err("no room".to_owned()));
        assert!(
            failed.ends_with("; its input could not be saved: no room"),
            "{failed}"
        );
    }
}

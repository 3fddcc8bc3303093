//! Files as shared bytes.

#![expect(
    unsafe_code,
    reason = "who maps a file promises that nobody changes it"
)]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::form::{FLAGS, Memory};
use super::value::Shared;
use crate::object::{Object, Tag};

impl Shared<[u8]> {
    /// Reads a file into shared memory: its bytes as they are now, whatever becomes of the file.
    ///
    /// ```
    /// use parproc::{Shared, par_map, parallel};
    ///
    /// #[parallel]
    /// fn lines(text: Shared<[u8]>, first: u8) -> usize {
    ///     text.split(|byte| *byte == b'\n').filter(|line| line.first() == Some(&first)).count()
    /// }
    ///
    /// let file = Shared::read_file("/proc/self/status")?;
    /// assert_eq!(par_map(lines, [(file.clone(), b'N'), (file, b'~')])?[1], 0);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read, and as for [`new`](Shared::new).
    pub fn read_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() == 0 {
            // Some say nothing about their length, such as those in `/proc`.
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Self::from_slice(&bytes);
        }
        let len = usize::try_from(metadata.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let object = Object::frozen(Tag::of::<[u8]>("value"), len, FLAGS, |memory| {
            // The kernel copies by itself, as far as it can.
            let copied = io::copy(&mut file.take(metadata.len()), memory)?;
            if copied == metadata.len() {
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        })?;
        Self::of_memory(Memory(object), Vec::new())
    }

    /// Maps a file: nothing is read before somebody looks at it, and nothing is copied.
    ///
    /// Pages of the file are shared with the system's cache, so a file that is larger than the memory can be looked
    /// at as well. In a launch on [several machines](crate::guide::cluster) items that name it run on that of the
    /// program: others may not have the file. What `read_file` reads goes to all. [`read_file`](Self::read_file) is the safe way to the same type.
    ///
    /// ```
    /// # use std::fs;
    /// use parproc::Shared;
    ///
    /// # let path = std::env::temp_dir().join(format!("parproc-map-{}", std::process::id()));
    /// fs::write(&path, "some data")?;
    /// // SAFETY: nobody else knows the file, and it is removed, not changed, below.
    /// let data = unsafe { Shared::map_file(&path)? };
    /// assert_eq!(&data[5..], b"data");
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Safety
    /// As long as any process has a handle, nobody changes the file or makes it shorter: no process of the
    /// program, and no other one. Bytes that change under a `&[u8]` are undefined behaviour, and
    /// reading what is cut off ends the process (`SIGBUS`).
    ///
    /// # Errors
    /// When the file cannot be opened or mapped, or is no regular file.
    pub unsafe fn map_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Self::from_slice(&[]);
        }
        // SAFETY: the caller promises it.
        let object = unsafe { Object::file(file, FLAGS) }?;
        Self::of_memory(Memory(object), Vec::new())
    }
}

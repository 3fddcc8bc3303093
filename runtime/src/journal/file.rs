//! A journal that is open: what is in it, and what comes behind that.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crc32fast::Hasher;

use super::layout::{END, HEAD, Head, Header, KIND, START};
use crate::error::{Error, ErrorKind, Result};
use crate::format::half;

/// Results are handed to the disk as often while they come.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// So much is read of a file at once.
const READ_BYTES: usize = 1 << 16;

/// An open journal. Dropping it hands what was written to the disk, and gives up the lock.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    header: Header,
    records: HashMap<u64, Record>,
    /// Where the last whole record ends.
    end: u64,
    /// A part of the file, and where it begins: records are asked for about as they stand there.
    near: (u64, Vec<u8>),
    /// Records that are not in the file yet.
    waiting: Vec<u8>,
    /// Something was written since it was handed to the disk last.
    unsynced: bool,
    synced: Instant,
}

/// Where a result stands in the file.
#[derive(Debug, Clone, Copy)]
struct Record {
    offset: u64,
    head: Head,
}

/// A result from an earlier run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// As it came from the worker.
    pub(crate) value: Vec<u8>,
    pub(crate) attempt: u32,
}

/// Why a file is not used.
#[derive(Debug)]
enum Refusal {
    /// It says something else than it should, or cannot be read.
    Reason(String),
    Io(io::Error),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Refusal::Reason(reason)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Io(error)
    }
}

impl Journal {
    /// Opens the journal at `path` for a call, and makes it if it is not there. If the call is not `seeded`, it takes the seed of
    /// the journal.
    ///
    /// # Errors
    /// When the file is of something else, damaged, or in use. It is left as it is then.
    pub(crate) fn open(path: &Path, header: Header, seeded: bool) -> Result<Self> {
        // Another working directory does not make it another file, in messages neither.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut options = OpenOptions::new();
        let opened = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = opened.map_err(|error| failed(&path, "opened", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason =
                    "another call or program uses it: wait for its end, or name another file";
                return Err(refused(&path, reason.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, "locked", error)),
        }
        let mut journal = Self {
            path,
            file,
            header,
            records: HashMap::new(),
            end: 0,
            near: (0, Vec::new()),
            waiting: Vec::new(),
            unsynced: false,
            synced: Instant::now(),
        };
        match journal.take_in(seeded) {
            Ok(()) => Ok(journal),
            Err(Refusal::Reason(reason)) => Err(refused(&journal.path, reason)),
            Err(Refusal::Io(error)) => Err(failed(&journal.path, "read", error)),
        }
    }

    /// The seed of the call.
    pub(crate) fn seed(&self) -> u64 {
        self.header.seed
    }

    /// How many results it has.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Reads what is there, and makes the file ready for more.
    fn take_in(&mut self, seeded: bool) -> Result<(), Refusal> {
        let len = self.file.metadata()?.len();
        let mut scan = Scan {
            bytes: BufReader::with_capacity(READ_BYTES, &self.file),
            at: 0,
            len,
        };
        if let Some(header) = scan.header()? {
            header
                .check(&self.header, seeded)
                .map_err(|reason| format!("{reason}; {AGAIN}"))?;
            self.header = header;
            self.end = scan.at;
            while let Some((offset, head)) = scan.record()? {
                self.records.insert(head.index, Record { offset, head });
                self.end = scan.at;
            }
        } else {
            let bytes = self.header.to_bytes().map_err(io::Error::other)?;
            self.file.set_len(0)?;
            self.file.write_all_at(&bytes, 0)?;
            self.end = bytes.len() as u64;
            self.unsynced = true;
        }
        if len > self.end {
            self.file.set_len(self.end)?;
        }
        Ok(())
    }

    /// What an earlier run has of the item.
    ///
    /// # Errors
    /// When that was another item, or the file cannot be read any more.
    pub(crate) fn find(&mut self, index: usize, digest: u128) -> Result<Option<Recorded>> {
        let Some(Record { offset, head }) = self.records.get(&(index as u64)).copied() else {
            return Ok(None);
        };
        if head.digest != digest {
            return Err(self.refused(format!(
                "it is of other items: item {index} has other arguments now; {AGAIN}"
            )));
        }
        let len = head.len as usize;
        let read = self.read(offset + HEAD as u64, len + END);
        let mut value = read.map_err(|error| failed(&self.path, "read", error))?;
        let crc = half(&value, len);
        value.truncate(len);
        if crc32fast::hash(&value) != crc {
            return Err(self.refused(damaged(offset, "a result has changed")));
        }
        let attempt = head.attempt;
        Ok(Some(Recorded { value, attempt }))
    }

    /// So many bytes from `offset` on, which are there.
    fn read(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if len > READ_BYTES {
            let mut bytes = vec![0; len];
            self.file.read_exact_at(&mut bytes, offset)?;
            return Ok(bytes);
        }
        let (start, near) = &mut self.near;
        let is_near = offset >= *start && offset + len as u64 <= *start + near.len() as u64;
        if !is_near {
            let there = self.end.saturating_sub(offset).min(READ_BYTES as u64);
            near.resize(len.max(there as usize), 0);
            if let Err(error) = self.file.read_exact_at(near, offset) {
                near.clear();
                return Err(error);
            }
            *start = offset;
        }
        let from = (offset - *start) as usize;
        Ok(near[from..from + len].to_vec())
    }

    /// Adds the result of an item; [`write`](Self::write) puts it into the file.
    pub(crate) fn add(&mut self, index: usize, digest: u128, attempt: u32, value: &[u8]) {
        let head = Head {
            len: value.len() as u64,
            index: index as u64,
            digest,
            attempt,
        };
        self.waiting.extend(head.to_bytes());
        self.waiting.extend(value);
        self.waiting.extend(crc32fast::hash(value).to_le_bytes());
    }

    /// Puts what was added into the file.
    ///
    /// # Errors
    /// When that fails, for want of room, say. What a part of it left there is overwritten by the next, or cut off.
    pub(crate) fn write(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all_at(&self.waiting, self.end);
        written.map_err(|error| failed(&self.path, "written", error))?;
        self.end += self.waiting.len() as u64;
        self.waiting.clear();
        self.unsynced = true;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()
                .map_err(|error| failed(&self.path, "written to its disk", error))?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unsynced) {
            self.file.sync_data()?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Says why the call cannot use it.
    pub(crate) fn refused(&self, reason: String) -> Error {
        refused(&self.path, reason)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Whoever needs to know has learned of earlier failures; the results are in the file in any case.
        let _ = self.sync();
        // A worker that is being started has a copy of the descriptor for a moment, which would hold the lock.
        let _ = self.file.unlock();
    }
}

/// What can be done about a file that is of something else.
const AGAIN: &str = "name another file, or remove this one to begin again";

fn refused(path: &Path, reason: String) -> Error {
    Error::new(ErrorKind::Journal {
        path: path.display().to_string(),
        reason,
    })
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    let path = path.display();
    Error::os(format!("the journal `{path}` could not be {what}"), error)
}

fn damaged(at: u64, how: &str) -> String {
    format!(
        "it is damaged at byte {at}: {how}. What stands before that is good: cut the rest off (`truncate -s {at}`) \
         to go on from there, or remove the file to begin again"
    )
}

/// A file on its way in, from its beginning to its end.
struct Scan<R> {
    bytes: R,
    /// What was read.
    at: u64,
    len: u64,
}

impl<R: BufRead> Scan<R> {
    fn left(&self) -> u64 {
        self.len.saturating_sub(self.at)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes.read_exact(buffer)?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    /// Gives the next `len` bytes to `each`, in parts.
    fn pass(&mut self, len: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let part = self.bytes.fill_buf()?;
            let taken = left.min(part.len() as u64) as usize;
            if taken == 0 {
                // It became shorter while it was read.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            each(&part[..taken]);
            self.bytes.consume(taken);
            left -= taken as u64;
        }
        self.at += len;
        Ok(())
    }

    /// None if nothing, or only a part of it, was ever written.
    fn header(&mut self) -> Result<Option<Header>, Refusal> {
        let mut start = vec![0; self.left().min(START as u64) as usize];
        self.read(&mut start)?;
        if KIND.is_part(&start) {
            return Ok(None);
        }
        let cure = if start.starts_with(&KIND.magic) {
            AGAIN
        } else {
            "name another file"
        };
        KIND.check(&start)
            .map_err(|reason| format!("{reason}; {cure}"))?;
        if start.len() < START {
            return Ok(None);
        }
        let bad = || format!("it is damaged at its beginning; {AGAIN}");
        if crc32fast::hash(&start[..START - END]) != half(&start, START - END) {
            return Err(bad().into());
        }
        let header_len = half(&start, START - 2 * END) as usize;
        if self.left() < (header_len + END) as u64 {
            return Ok(None);
        }
        let mut header = vec![0; header_len + END];
        self.read(&mut header)?;
        let (header, crc) = header.split_at(header_len);
        if crc32fast::hash(header) != half(crc, 0) {
            return Err(bad().into());
        }
        let header = postcard::from_bytes(header).map_err(|_| bad())?;
        Ok(Some(header))
    }

    /// The next whole record, and where it begins; none when there is no other. `at` is behind it then.
    fn record(&mut self) -> Result<Option<(u64, Head)>, Refusal> {
        let start = self.at;
        if self.left() < HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.read(&mut head)?;
        let Some(head) = Head::from_bytes(&head) else {
            // After the end of the machine a file may be longer than what came to the disk: zeros.
            if head == [0; HEAD] && self.rest_is_zero()? {
                return Ok(None);
            }
            return Err(damaged(start, "no result begins there").into());
        };
        let whole = head.len.checked_add(END as u64);
        if whole.is_none_or(|whole| whole > self.left()) {
            return Ok(None);
        }
        let mut hasher = Hasher::new();
        self.pass(head.len, |part| hasher.update(part))?;
        let mut crc = [0; END];
        self.read(&mut crc)?;
        if hasher.finalize() == half(&crc, 0) {
            Ok(Some((start, head)))
        } else if self.left() == 0 {
            // As above: of the last one not all came to the disk.
            Ok(None)
        } else {
            Err(damaged(start, "a result has changed").into())
        }
    }

    fn rest_is_zero(&mut self) -> io::Result<bool> {
        let mut zero = true;
        let left = self.left();
        self.pass(left, |part| zero &= part.iter().all(|byte| *byte == 0))?;
        Ok(zero)
    }
}

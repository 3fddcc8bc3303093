//! Results on their way back: one record an item, and one at the end of a chunk.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::varint;
use crate::error::{Circumstances, Failure, PanicReport};
use crate::object::Object;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The value that the function returned.
    Value = 0,
    /// A [`TaskFailure`].
    Failed = 1,
    /// The end of a chunk: the nanoseconds that it took, as eight bytes.
    End = 2,
    /// What else is to be known of an item: a [`Note`].
    Note = 3,
}

/// What is said of an item besides its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// Where in the worker's output streams the item whose record follows has written.
    Wrote(Spans),
    /// When the item ran whose record stands before.
    Ran(Times),
}

/// When an item ran, in nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) began: u64,
    /// How long its parts took.
    pub(crate) decoding: u64,
    pub(crate) running: u64,
    pub(crate) encoding: u64,
}

impl Note {
    const BYTES: usize = 33;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let (tag, words) = match self {
            Note::Wrote(Spans([(from, to), (error_from, error_to)])) => {
                (0, [from, to, error_from, error_to])
            }
            Note::Ran(times) => {
                let Times {
                    began,
                    decoding,
                    running,
                    encoding,
                } = times;
                (1, [began, decoding, running, encoding])
            }
        };
        let mut bytes = [tag; Self::BYTES];
        for (word, place) in words.into_iter().zip(bytes[1..].chunks_exact_mut(8)) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// None if it is no note.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let (tag, words) = bytes.split_first()?;
        let words: &[[u8; 8]; 4] = words.as_chunks().0.try_into().ok()?;
        let [first, second, third, fourth] = words.map(u64::from_ne_bytes);
        match tag {
            0 => Some(Note::Wrote(Spans([(first, second), (third, fourth)]))),
            1 => Some(Note::Ran(Times {
                began: first,
                decoding: second,
                running: third,
                encoding: fourth,
            })),
            _ => None,
        }
    }
}

/// From where to where an item wrote to standard output and error, in bytes of these streams; empty
/// where it wrote nothing, or where that is not of interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spans(pub(crate) [(u64, u64); 2]);

impl Spans {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|(from, to)| from >= to)
    }
}

/// Why an item gave no value, as the worker says it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum TaskFailure {
    Panicked(PanicReport, Circumstances),
    Failed(Failure),
}

/// Where records go.
pub(crate) trait Sink {
    fn record(&mut self, status: Status, bytes: &[u8]);

    /// Takes what a function returned, whose type has that name.
    fn value(&mut self, _type_name: &'static str, bytes: &[u8]) {
        self.record(Status::Value, bytes);
    }

    /// The next record is that of a failure.
    fn fails(&mut self) {}

    /// The next record is that of a value that names `objects`.
    ///
    /// # Errors
    /// When they cannot come along.
    fn carry(&mut self, objects: Vec<Arc<Object>>) -> io::Result<()>;
}

/// Records one after the other in memory.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) bytes: Vec<u8>,
    /// What the values name.
    pub(crate) objects: Vec<Arc<Object>>,
}

impl Sink for Gathered {
    fn record(&mut self, status: Status, bytes: &[u8]) {
        let mut header = [0; LONGEST_HEADER];
        let len = write_header(status, bytes.len(), &mut header);
        self.bytes.extend_from_slice(&header[..len]);
        self.bytes.extend_from_slice(bytes);
    }

    fn carry(&mut self, mut objects: Vec<Arc<Object>>) -> io::Result<()> {
        self.objects.append(&mut objects);
        Ok(())
    }
}

/// Bytes of the longest header.
pub(crate) const LONGEST_HEADER: usize = varint::LONGEST;

/// Writes the header of a record with `len` bytes, and says how long the header is.
#[inline]
pub(crate) fn write_header(status: Status, len: usize, out: &mut [u8; LONGEST_HEADER]) -> usize {
    varint::write((len as u64) << 2 | status as u64, out)
}

/// What the start of some bytes is, as a record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// Its status, the length of the value, and its own length.
    Whole(Status, u64, usize),
    /// The bytes end before the header does.
    Short,
    /// No header.
    Bad,
}

#[inline]
pub(crate) fn parse_header(bytes: &[u8]) -> Header {
    match varint::read(bytes) {
        varint::Read::Value(value, taken) => match value & 3 {
            0 => Header::Whole(Status::Value, value >> 2, taken),
            1 => Header::Whole(Status::Failed, value >> 2, taken),
            2 => Header::Whole(Status::End, value >> 2, taken),
            _ => Header::Whole(Status::Note, value >> 2, taken),
        },
        varint::Read::Short => Header::Short,
        varint::Read::Bad => Header::Bad,
    }
}

/// The records in some bytes, which were found to be whole when they were received.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (Status, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Header::Whole(status, len, taken) = parse_header(self.0) else {
            return None;
        };
        let rest = self.0.get(taken..)?;
        let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some((status, value))
    }
}

//! What a worker logs, as frames of a stream of its own.
//!
//! | unit | bytes |
//! | --- | --- |
//! | frame | a [`LogHeader`], its body |
//! | body | a [`LogFrame`] |

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

/// The body of a frame is never longer. What would be is cut.
pub(crate) const LONGEST_BODY: usize = 1 << 20;
/// All values of a frame together.
const LONGEST_VALUES: usize = LONGEST_BODY / 2;
/// A site or a record has at most so many fields.
pub(crate) const MOST_FIELDS: usize = 256;
/// Errors in a row, each the source of the one before.
#[cfg(feature = "tracing")]
const MOST_SOURCES: usize = 16;

/// What stands before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogHeader {
    /// Bytes of the body.
    pub(crate) len: u32,
    /// Which item of the chunk it is from, counted from 0; `u32::MAX` if none had begun.
    pub(crate) place: u32,
    /// The chunk that the worker ran; 0 if it ran none.
    pub(crate) chunk: u64,
}

impl LogHeader {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let word =
            u128::from(self.len) | u128::from(self.place) << 32 | u128::from(self.chunk) << 64;
        word.to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = u128::from_le_bytes(*bytes);
        Self {
            len: word as u32,
            place: (word >> 32) as u32,
            chunk: (word >> 64) as u64,
        }
    }
}

/// What happened.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LogFrame<'a> {
    /// A place in the code, before the first frame that names it.
    #[cfg(feature = "tracing")]
    Site(u32, #[serde(borrow)] LogSite<'a>),
    /// An event at a site.
    #[cfg(feature = "tracing")]
    Event(u32, Option<u64>, #[serde(borrow)] LogValues<'a>),
    /// A new span with this number, at a site.
    #[cfg(feature = "tracing")]
    Span(u64, u32, Option<u64>, #[serde(borrow)] LogValues<'a>),
    /// More values of a span.
    #[cfg(feature = "tracing")]
    Record(u64, #[serde(borrow)] LogValues<'a>),
    /// A span follows from another.
    #[cfg(feature = "tracing")]
    Follows(u64, u64),
    /// A span is entered, left, closed.
    #[cfg(feature = "tracing")]
    Enter(u64),
    #[cfg(feature = "tracing")]
    Exit(u64),
    #[cfg(feature = "tracing")]
    Close(u64),
    /// A record of `log`.
    #[cfg(feature = "log")]
    #[serde(borrow)]
    Log(LogRecord<'a>),
}

impl<'a> LogFrame<'a> {
    /// Writes the frame down behind what is in `out`, which has room for the header first.
    pub(crate) fn write(&self, place: u32, chunk: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; LogHeader::BYTES]);
        let body = out.len();
        // Into memory everything can be written that we write.
        let bytes = postcard::to_extend(self, std::mem::take(out)).unwrap_or_default();
        *out = bytes;
        let len = out.len().saturating_sub(body);
        if len == 0 || len > LONGEST_BODY {
            out.truncate(start);
            return;
        }
        let header = LogHeader {
            len: len as u32,
            place,
            chunk,
        };
        out[start..body].copy_from_slice(&header.to_bytes());
    }

    /// True for what later frames cannot do without: sites, and what ends spans.
    pub(crate) fn is_needed_later(body: &[u8]) -> bool {
        match LogFrame::read(body) {
            #[cfg(feature = "tracing")]
            Some(LogFrame::Site(..) | LogFrame::Exit(_) | LogFrame::Close(_)) => true,
            _ => false,
        }
    }

    /// Reads a body; none if it is no frame.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        postcard::from_bytes(body).ok()
    }
}

/// A place in the code, as `tracing` describes it.
#[cfg(feature = "tracing")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct LogSite<'a> {
    pub(crate) span: bool,
    /// From 1 for errors to 5.
    pub(crate) level: u8,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) target: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) module: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) file: Option<Cow<'a, str>>,
    pub(crate) line: Option<u32>,
    #[serde(borrow)]
    pub(crate) fields: Vec<Cow<'a, str>>,
}

/// A record of `log`.
#[cfg(feature = "log")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogRecord<'a> {
    pub(crate) level: u8,
    #[serde(borrow)]
    pub(crate) target: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) module: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) file: Option<Cow<'a, str>>,
    pub(crate) line: Option<u32>,
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) pairs: Vec<(Cow<'a, str>, LogValue<'a>)>,
    /// The span of `tracing` that it was written in.
    pub(crate) span: Option<u64>,
}

/// Values with the numbers of their fields.
#[cfg(feature = "tracing")]
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LogValues<'a>(#[serde(borrow)] pub(crate) Vec<(u32, LogValue<'a>)>);

/// A value, as far as it can be told from others in another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum LogValue<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
    #[serde(borrow)]
    Bytes(Cow<'a, [u8]>),
    /// What `Debug` or `Display` wrote.
    #[serde(borrow)]
    Shown(Cow<'a, str>),
    /// The words of an error and those of its sources.
    #[serde(borrow)]
    Error(Vec<Cow<'a, str>>),
}

/// How much text a frame may still have.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(LONGEST_VALUES)
    }
}

impl Budget {
    /// The text, cut to what there is room for.
    pub(crate) fn text<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        let kept = &text[..text.floor_char_boundary(self.0)];
        self.0 -= kept.len();
        if kept.len() < text.len() {
            return format!("{kept}…").into();
        }
        kept.into()
    }

    /// The bytes, cut to what there is room for.
    #[cfg(feature = "tracing")]
    pub(crate) fn bytes<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let kept = &bytes[..bytes.len().min(self.0)];
        self.0 -= kept.len();
        kept.into()
    }

    /// What is shown, cut to what there is room for.
    pub(crate) fn shown(&mut self, shown: fmt::Arguments<'_>) -> Cow<'static, str> {
        if let Some(text) = shown.as_str() {
            return self.text(text).into_owned().into();
        }
        let mut writer = Cut {
            text: String::new(),
            room: self.0,
        };
        if writer.write_fmt(shown).is_err() {
            // It is full, or what is to be shown says that it cannot be.
            writer.text.push('…');
        }
        self.0 = writer.room;
        writer.text.into()
    }

    /// The words of an error and of those that it comes from.
    #[cfg(feature = "tracing")]
    pub(crate) fn error(&mut self, error: &(dyn std::error::Error + 'static)) -> LogValue<'static> {
        let errors = std::iter::successors(Some(error), |error| error.source());
        let words = errors.take(MOST_SOURCES);
        LogValue::Error(
            words
                .map(|error| self.shown(format_args!("{error}")))
                .collect(),
        )
    }
}

/// A text that grows up to a limit.
struct Cut {
    text: String,
    room: usize,
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let kept = &text[..text.floor_char_boundary(self.room)];
        self.text.push_str(kept);
        self.room -= kept.len();
        if kept.len() < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back() {
        let header = LogHeader {
            len: 7,
            place: u32::MAX,
            chunk: 1 << 40,
        };
        assert_eq!(LogHeader::from_bytes(&header.to_bytes()), header);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let mut budget = Budget(5);
        assert_eq!(budget.text("äb"), "äb");
        assert_eq!(budget.shown(format_args!("{}", "ää")), "ä…");
        assert_eq!(budget.text("x"), "…");
    }

    #[cfg(feature = "log")]
    #[test]
    fn a_frame_is_read_back_and_nothing_else() {
        let frame = LogFrame::Log(LogRecord {
            level: 3,
            target: "target".into(),
            module: None,
            file: Some("file".into()),
            line: Some(1),
            message: "message".into(),
            pairs: vec![("key".into(), LogValue::Error(vec!["words".into()]))],
            span: None,
        });
        let mut bytes = Vec::new();
        frame.write(2, 3, &mut bytes);
        let (header, body) = bytes.split_first_chunk().unwrap();
        let header = LogHeader::from_bytes(header);
        assert_eq!((header.place, header.chunk), (2, 3));
        assert_eq!(header.len as usize, body.len());
        let read = LogFrame::read(body).unwrap();
        assert_eq!(format!("{read:?}"), format!("{frame:?}"));
        for end in 0..body.len() {
            assert!(LogFrame::read(&body[..end]).is_none(), "{end}");
        }
    }
}

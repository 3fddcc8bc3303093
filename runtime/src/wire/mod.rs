//! Values as bytes: how arguments, results and failures are written down and read back.
//!
//! Plain numbers, vectors and slices of them, and text, are copied whole; everything else goes through
//! serde and postcard, which is given the vectors in it whole as well. Nothing here knows a process, but values may name what processes
//! share: that is gathered beside the bytes.
//!
//! | unit | bytes |
//! | --- | --- |
//! | argument | its length as a varint, its value |
//! | item | its arguments one after the other; of a row of plain numbers, only the value of its one |
//! | chunk | a [`FrameHeader`], its items one after the other |
//! | result | length and [`Status`] as one varint, the value; of a row of plain numbers, only the value |
//! | output | the same, and where it is in the worker's streams |

mod arguments;
mod block;
mod decode;
mod encode;
mod frame;
mod items;
mod loan;
#[cfg(feature = "_logs")]
pub(crate) mod log;
mod payload;
mod plain;
mod reason;
mod record;
mod reply;
mod room;
mod varint;
mod whole;
mod window;
mod words;

pub(crate) use arguments::Stream;
pub use arguments::{Argument, Arguments};
pub(crate) use block::Piece;
pub(crate) use decode::{Landing, MakeLanding, decode, land, landing, numbers};
pub(crate) use encode::{append_value, encode_argument, number_width, plain_bytes, put_number};
pub(crate) use frame::{FrameHeader, Levels, Numbering};
pub use items::Items;
pub(crate) use items::{Host, Stamps, Track, Untracked};
pub(crate) use loan::Lender;
pub(crate) use payload::{Mark, Payload, Place};
pub(crate) use record::{
    Gathered, Header, LONGEST_HEADER, Note, Records, Sink, Spans, Status, TaskFailure, Times,
    parse_header, write_header,
};
pub use reply::{Output, Reply};
pub(crate) use room::{NoMemory, made_room};
pub(crate) use window::Window;
pub(crate) use words::Recycled;

#[cfg(test)]
mod tests;

//! Messages on their way out, as frames.
//!
//! Short messages go several at once, as frames one behind the other. Of a longer one the head goes, and then the
//! body in pieces, so that a large value neither needs memory twice nor holds up the signs of life between the
//! ranks. A head that is long goes in parts as well. Each frame begins with a byte that says which it is.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::object::Object;
use crate::transport::{MOST_BYTES, Transport};
use crate::wire::Landing;

/// A body up to this size goes with its head.
pub(super) const SMALL: usize = 64 << 10;
/// Of longer ones, so many bytes go at once: 1 MiB with the first byte of the frame.
pub(super) const PIECE: usize = (1 << 20) - 1;
const _: () = assert!(PIECE + SMALL < MOST_BYTES);

/// Short messages are put together up to this size.
const TOGETHER: usize = 16 << 10;

/// A head, and a body behind it.
pub(super) const WHOLE: u8 = 0;
/// A head, whose body comes in pieces.
pub(super) const HEAD: u8 = 1;
pub(super) const PIECE_OF_BODY: u8 = 2;
/// Nothing but a sign of life.
pub(super) const PULSE: u8 = 3;
/// A part of a frame that is too long for one.
pub(super) const PART: u8 = 4;
pub(super) const LAST_PART: u8 = 5;
/// The rest of a body that is not there, or not wanted, any more.
pub(super) const VOID: u8 = 6;
/// Added to the others in what all ranks are sent.
pub(super) const TO_ALL: u8 = 8;

/// Of a frame, before its head: which it is, and how long its head and its body are.
const PREFIX: usize = 13;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    /// With room for the prefix before it.
    frame: Vec<u8>,
    body: Body<B>,
    /// So many messages to all go before it.
    after: u64,
}

#[derive(Debug)]
pub(super) enum Body<B> {
    /// It is behind the head.
    Inline(usize),
    Bytes(Vec<u8>),
    Landing(Box<dyn Landing>, usize),
    /// The bytes of memory that is frozen.
    Object(Arc<Object>),
    /// So many bytes, which are asked for when their time comes.
    Later(B, usize),
}

impl<B> Outgoing<B> {
    pub(super) fn new(head: &impl Serialize, body: Body<B>) -> Self {
        // What is written is ours, and has a form.
        let mut frame = postcard::to_extend(head, vec![0; PREFIX]).unwrap_or_default();
        let len = (frame.len() - PREFIX) as u32;
        frame[1..5].copy_from_slice(&len.to_le_bytes());
        Self {
            frame,
            body,
            after: 0,
        }
    }

    /// With a body of a few pieces that is small.
    pub(super) fn with_small_body<P: AsRef<[u8]>>(
        head: &impl Serialize,
        pieces: impl IntoIterator<Item = P>,
    ) -> Self {
        let mut message = Self::new(head, Body::Inline(0));
        let before = message.frame.len();
        for piece in pieces {
            message.frame.extend_from_slice(piece.as_ref());
        }
        message.body = Body::Inline(message.frame.len() - before);
        message
    }

    /// With a body of any length.
    pub(super) fn with_body(head: &impl Serialize, bytes: Vec<u8>) -> Self {
        match bytes.len() {
            ..=SMALL => Self::with_small_body(head, [bytes]),
            _ => Self::new(head, Body::Bytes(bytes)),
        }
    }

    /// With the bytes of frozen memory.
    pub(super) fn with_object(head: &impl Serialize, object: &Arc<Object>) -> Self {
        let bytes = object.twin().map_or(&[][..], |(_, bytes)| bytes);
        if bytes.len() <= SMALL {
            return Self::with_small_body(head, [bytes]);
        }
        Self::new(head, Body::Object(Arc::clone(object)))
    }

    /// Has it go behind so many messages to all.
    pub(super) fn after(self, casts: u64) -> Self {
        Self {
            after: casts,
            ..self
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.body, Body::Inline(_))
    }

    /// The frame of the head, and of the body if that is in it.
    pub(super) fn take_frame(&mut self, mark: u8) -> Vec<u8> {
        let len = self.len() as u64;
        let mut frame = std::mem::take(&mut self.frame);
        frame[0] = mark + if self.is_whole() { WHOLE } else { HEAD };
        frame[5..PREFIX].copy_from_slice(&len.to_le_bytes());
        frame
    }

    /// Of the body.
    fn len(&self) -> usize {
        match &self.body {
            Body::Inline(len) | Body::Later(_, len) | Body::Landing(_, len) => *len,
            Body::Bytes(bytes) => bytes.len(),
            Body::Object(object) => object.len(),
        }
    }
}

/// Messages that go one after the other.
#[derive(Debug)]
pub(super) struct Stream<B> {
    queue: VecDeque<Outgoing<B>>,
    /// How much of the first one's body was handed out; none if its head was not.
    sent: Option<usize>,
    /// A frame that goes in parts, and how much of it was handed out.
    long: Option<(Vec<u8>, usize)>,
    /// Added to the first byte of each frame.
    mark: u8,
    /// How many messages were handed out; one whose head goes in parts counts from the first of them.
    pub(super) count: u64,
}

impl<B> Stream<B> {
    pub(super) fn new(mark: u8) -> Self {
        Self {
            queue: VecDeque::new(),
            sent: None,
            long: None,
            mark,
            count: 0,
        }
    }

    pub(super) fn push(&mut self, message: Outgoing<B>) {
        self.queue.push_back(message);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.long.is_none()
    }

    /// The next frames, if there are any now that so many messages to all have gone; long ones are in memory of
    /// the transport. `later` appends a part of a body that was left to be asked for, from an offset on, and says
    /// whether that is still there and wanted.
    pub(super) fn next(
        &mut self,
        casts: u64,
        transport: &mut dyn Transport,
        later: impl FnMut(&B, usize, usize, &mut Vec<u8>) -> bool,
    ) -> Option<Vec<u8>> {
        if self.long.is_some() {
            return self.next_part(transport);
        }
        if self.sent.is_some() {
            return self.next_piece(transport, later);
        }
        let may_go = |message: &&mut Outgoing<B>| message.after <= casts;
        let first = self.queue.front_mut().filter(may_go)?;
        let mut frame = first.take_frame(self.mark);
        let whole = first.is_whole();
        if whole || first.len() == 0 {
            self.pop();
        } else {
            self.sent = Some(0);
        }
        while whole
            && let Some(next) = self.queue.front_mut().filter(may_go)
            && next.is_whole()
            && frame.len() + next.frame.len() <= TOGETHER
        {
            frame.append(&mut next.take_frame(self.mark));
            self.pop();
        }
        if frame.len() > PIECE + SMALL {
            self.long = Some((frame, 0));
            return self.next_part(transport);
        }
        Some(frame)
    }

    fn pop(&mut self) {
        self.queue.pop_front();
        self.count += 1;
    }

    fn next_part(&mut self, transport: &mut dyn Transport) -> Option<Vec<u8>> {
        let (frame, sent) = self.long.as_mut()?;
        let count = PIECE.min(frame.len() - *sent);
        let last = *sent + count == frame.len();
        let mut part = transport.buffer(1 + count);
        part.push(self.mark + if last { LAST_PART } else { PART });
        part.extend_from_slice(&frame[*sent..*sent + count]);
        *sent += count;
        if last {
            self.long = None;
        }
        Some(part)
    }

    fn next_piece(
        &mut self,
        transport: &mut dyn Transport,
        mut later: impl FnMut(&B, usize, usize, &mut Vec<u8>) -> bool,
    ) -> Option<Vec<u8>> {
        let (first, offset) = (self.queue.front_mut()?, self.sent?);
        let len = first.len();
        let count = PIECE.min(len - offset);
        let mut frame = transport.buffer(1 + count);
        frame.push(self.mark + PIECE_OF_BODY);
        let mut add = |bytes: &[u8]| frame.extend_from_slice(&bytes[offset..offset + count]);
        let there = match &mut first.body {
            Body::Inline(_) => true,
            Body::Bytes(bytes) => {
                add(bytes);
                true
            }
            Body::Landing(landing, _) => {
                add(landing.bytes_mut());
                true
            }
            Body::Object(object) => object.twin().map(|(_, bytes)| add(bytes)).is_some(),
            Body::Later(source, _) => later(source, offset, count, &mut frame),
        };
        if !there {
            self.sent = None;
            self.pop();
            transport.recycle(frame);
            return Some(vec![self.mark + VOID]);
        }
        self.sent = Some(offset + count);
        if offset + count == len {
            self.sent = None;
            self.pop();
        }
        Some(frame)
    }
}

/// The head of a frame, how long its body is, and what stands behind the head.
pub(super) fn open_head<I: DeserializeOwned>(frame: &[u8]) -> io::Result<(I, usize, &[u8])> {
    let (prefix, rest) = frame.split_at_checked(PREFIX).ok_or_else(meaningless)?;
    let mut head = [0; 4];
    head.copy_from_slice(&prefix[1..5]);
    let mut body = [0; 8];
    body.copy_from_slice(&prefix[5..]);
    let body = usize::try_from(u64::from_le_bytes(body)).map_err(|_| meaningless())?;
    let head = u32::from_le_bytes(head) as usize;
    let (head, behind) = rest.split_at_checked(head).ok_or_else(meaningless)?;
    let head = postcard::from_bytes(head)
        .map_err(|error| io::Error::other(format!("a message of another rank: {error}")))?;
    Ok((head, body, behind))
}

pub(super) fn meaningless() -> io::Error {
    io::Error::other("another rank says what has no meaning")
}

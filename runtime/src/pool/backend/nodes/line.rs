//! Messages of any length between this rank and the others, over a [`Transport`].
//!
//! Short messages go several at once, as frames one behind the other. Of a longer one the head goes, and then the
//! body in pieces, so that a large value neither needs memory twice nor holds up the signs of life between the
//! ranks. Each frame begins with a byte that says which it is.

use std::collections::VecDeque;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::now_nanos;
use crate::transport::{MOST_BYTES, Transport};
use crate::wire::Landing;

/// A body up to this size goes with its head.
pub(super) const SMALL: usize = 64 << 10;
/// Of longer ones, so many bytes go at once.
const PIECE: usize = 1 << 20;
/// No more is given to the transport while so much for that rank has not gone.
const WINDOW: usize = 4 << 20;
const _: () = assert!(PIECE + SMALL < MOST_BYTES);

/// So often a rank says that it is alive, if it has nothing else to say.
const PULSE_NANOS: u64 = 200_000_000;

/// Short messages are put together up to this size.
const TOGETHER: usize = 16 << 10;

const WHOLE: u8 = 0;
const HEAD: u8 = 1;
const PIECE_OF_BODY: u8 = 2;
const PULSE: u8 = 3;
/// Of a frame, before its head: which it is, and how long its head and its body are.
const PREFIX: usize = 13;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    /// With room for the prefix before it.
    frame: Vec<u8>,
    body: Body<B>,
}

#[derive(Debug)]
pub(super) enum Body<B> {
    /// It is behind the head.
    Inline(usize),
    Bytes(Vec<u8>),
    Landing(Box<dyn Landing>, usize),
    /// So many bytes, which are asked for when their time comes.
    Later(B, usize),
}

/// Where a body is put.
#[derive(Debug)]
pub(super) enum Room {
    Bytes(Vec<u8>, usize),
    Landing(Box<dyn Landing>, usize),
}

impl Room {
    /// For a body of so many bytes, which need not be believed.
    pub(super) fn bytes(len: usize) -> Self {
        Room::Bytes(Vec::with_capacity(len.min(PIECE)), len)
    }

    fn len(&self) -> usize {
        match self {
            Room::Bytes(_, len) => *len,
            Room::Landing(_, len) => *len,
        }
    }

    /// Takes in the next bytes; false if there is no room for them.
    fn take(&mut self, filled: usize, part: &[u8]) -> bool {
        match self {
            Room::Bytes(bytes, len) => {
                let fits =
                    part.len() <= *len - bytes.len() && bytes.try_reserve(part.len()).is_ok();
                if fits {
                    bytes.extend_from_slice(part);
                }
                fits
            }
            Room::Landing(landing, _) => {
                let rest = landing.bytes_mut().get_mut(filled..filled + part.len());
                rest.map(|rest| rest.copy_from_slice(part)).is_some()
            }
        }
    }
}

impl<B> Outgoing<B> {
    pub(super) fn new(head: &impl Serialize, body: Body<B>) -> Self {
        // What is written is ours, and has a form.
        let mut frame = postcard::to_extend(head, vec![0; PREFIX]).unwrap_or_default();
        let len = (frame.len() - PREFIX) as u32;
        frame[1..5].copy_from_slice(&len.to_le_bytes());
        Self { frame, body }
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

    fn is_whole(&self) -> bool {
        matches!(self.body, Body::Inline(_))
    }

    /// The frame of the head, and of the body if that is in it.
    fn take_frame(&mut self) -> Vec<u8> {
        let len = self.len() as u64;
        let mut frame = std::mem::take(&mut self.frame);
        frame[0] = if self.is_whole() { WHOLE } else { HEAD };
        frame[5..PREFIX].copy_from_slice(&len.to_le_bytes());
        frame
    }

    /// Of the body.
    fn len(&self) -> usize {
        match &self.body {
            Body::Inline(len) | Body::Later(_, len) | Body::Landing(_, len) => *len,
            Body::Bytes(bytes) => bytes.len(),
        }
    }
}

#[derive(Debug)]
struct Peer<I, B> {
    queue: VecDeque<Outgoing<B>>,
    /// How much of the first one's body was sent; none if its head was not.
    sent: Option<usize>,
    incoming: Option<(I, Room, usize)>,
    /// When it was heard, and when something was sent to it.
    heard: u64,
    spoken: u64,
    lost: bool,
}

/// The other ranks, as one of them sees them: `I` are the heads that come in.
pub(super) struct Line<I, B> {
    transport: Box<dyn Transport>,
    peers: Vec<Peer<I, B>>,
    /// Frames that came, from whom, and how much of them was read.
    unread: (usize, Vec<u8>),
    read: usize,
}

/// A message that came.
pub(super) struct Incoming<I> {
    pub(super) from: usize,
    pub(super) head: I,
    pub(super) body: Room,
}

impl<I: DeserializeOwned, B> Line<I, B> {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        let peer = |_| Peer {
            queue: VecDeque::new(),
            sent: None,
            incoming: None,
            heard: now_nanos(),
            spoken: 0,
            lost: false,
        };
        Self {
            peers: (0..transport.size()).map(peer).collect(),
            transport,
            unread: (0, Vec::new()),
            read: 0,
        }
    }

    pub(super) fn post(&mut self, to: usize, message: Outgoing<B>) {
        if let Some(peer) = self.peers.get_mut(to).filter(|peer| !peer.lost) {
            peer.queue.push_back(message);
        }
    }

    /// True when everything for that rank was handed to the transport.
    pub(super) fn has_said_all(&self, to: usize) -> bool {
        self.peers.get(to).is_none_or(|peer| peer.queue.is_empty())
    }

    /// True when nothing waits here any more.
    pub(super) fn is_drained(&self) -> bool {
        let mut ranks = self.peers.iter().enumerate();
        ranks.all(|(rank, peer)| peer.queue.is_empty() && self.transport.backlog(rank) == 0)
    }

    /// Hands over what there is room for. `later` appends a part of a body that was left to be asked for, from
    /// an offset on, and says whether it still has it. Says whether anything was handed over.
    pub(super) fn send(
        &mut self,
        mut later: impl FnMut(&B, usize, usize, &mut Vec<u8>) -> bool,
    ) -> bool {
        let mut sent = false;
        for (rank, peer) in self.peers.iter_mut().enumerate() {
            while let Some(first) = peer.queue.front_mut()
                && self.transport.backlog(rank) < WINDOW
            {
                sent = true;
                peer.spoken = now_nanos();
                let len = first.len();
                let Some(offset) = peer.sent else {
                    let whole = first.is_whole();
                    let mut frame = first.take_frame();
                    if whole || len == 0 {
                        peer.queue.pop_front();
                    } else {
                        peer.sent = Some(0);
                    }
                    while whole
                        && let Some(next) = peer.queue.front_mut()
                        && next.is_whole()
                        && frame.len() + next.frame.len() <= TOGETHER
                    {
                        frame.append(&mut next.take_frame());
                        peer.queue.pop_front();
                    }
                    self.transport.send(rank, frame);
                    continue;
                };
                let count = PIECE.min(len - offset);
                let mut frame = Vec::with_capacity(1 + count);
                frame.push(PIECE_OF_BODY);
                let there = match &mut first.body {
                    Body::Inline(_) => true,
                    Body::Bytes(bytes) => {
                        frame.extend_from_slice(&bytes[offset..offset + count]);
                        true
                    }
                    Body::Landing(landing, _) => {
                        frame.extend_from_slice(&landing.bytes_mut()[offset..offset + count]);
                        true
                    }
                    Body::Later(source, _) => later(source, offset, count, &mut frame),
                };
                // Nobody wants it any more; the receiver waits for its end all the same.
                if !there {
                    frame.resize(1 + count, 0);
                }
                self.transport.send(rank, frame);
                peer.sent = Some(offset + count);
                if offset + count == len {
                    peer.sent = None;
                    peer.queue.pop_front();
                }
            }
        }
        sent
    }

    /// The next message that came whole. `room` makes room for a body that does not come with its head.
    ///
    /// Fails when the way to the other ranks is broken, or one of them says what has no meaning.
    pub(super) fn receive(
        &mut self,
        mut room: impl FnMut(usize, &I, usize) -> Room,
    ) -> io::Result<Option<Incoming<I>>> {
        loop {
            if self.unread.1.is_empty() {
                let Some((from, frames)) = self.transport.poll()? else {
                    return Ok(None);
                };
                self.unread = (from, frames);
                self.read = 0;
            }
            let from = self.unread.0;
            let Some(peer) = self.peers.get_mut(from).filter(|peer| !peer.lost) else {
                self.unread.1.clear();
                continue;
            };
            peer.heard = now_nanos();
            let frame = &self.unread.1[self.read..];
            match frame.first() {
                Some(&PULSE) => self.unread.1.clear(),
                Some(&PIECE_OF_BODY) => {
                    let (head, mut body, filled) = peer.incoming.take().ok_or_else(meaningless)?;
                    let part = &frame[1..];
                    if !body.take(filled, part) {
                        return Err(io::Error::other(
                            "there is no memory for what another rank sends",
                        ));
                    }
                    let filled = filled + part.len();
                    self.unread.1.clear();
                    if filled == body.len() {
                        return Ok(Some(Incoming { from, head, body }));
                    }
                    peer.incoming = Some((head, body, filled));
                }
                Some(&kind @ (WHOLE | HEAD)) => {
                    let (head, len, behind) = open_head(frame)?;
                    if kind == WHOLE || len == 0 {
                        let body = behind.get(..len).ok_or_else(meaningless)?.to_vec();
                        self.read = self.unread.1.len() - (behind.len() - len);
                        if self.read == self.unread.1.len() {
                            self.unread.1.clear();
                        }
                        let body = Room::Bytes(body, len);
                        return Ok(Some(Incoming { from, head, body }));
                    }
                    let body = room(from, &head, len);
                    self.unread.1.clear();
                    if body.len() != len {
                        return Err(meaningless());
                    }
                    peer.incoming = Some((head, body, 0));
                }
                _ => return Err(meaningless()),
            }
        }
    }

    /// Says that this rank is alive to those that did not hear of it for long.
    pub(super) fn pulse(&mut self, now: u64) {
        let own = self.transport.rank();
        for (rank, peer) in self.peers.iter_mut().enumerate() {
            let due = now.saturating_sub(peer.spoken) >= PULSE_NANOS;
            // Nodes speak to rank 0 only.
            if due && rank != own && (own == 0 || rank == 0) && !peer.lost {
                peer.spoken = now;
                self.transport.send(rank, vec![PULSE]);
            }
        }
    }

    /// This rank stood still: nobody is blamed for what it did not hear.
    pub(super) fn excuse(&mut self, now: u64) {
        for peer in &mut self.peers {
            peer.heard = now;
        }
    }

    /// When a rank was heard last.
    pub(super) fn heard(&self, rank: usize) -> u64 {
        self.peers.get(rank).map_or(0, |peer| peer.heard)
    }

    /// Nothing more is said to that rank, nor heard from it.
    pub(super) fn forget(&mut self, rank: usize) {
        if let Some(peer) = self.peers.get_mut(rank) {
            peer.lost = true;
            peer.queue.clear();
            peer.incoming = None;
            self.transport.forget(rank);
        }
    }

    pub(super) fn finish(self, orderly: bool) {
        self.transport.finish(orderly);
    }
}

/// The head of a frame, how long its body is, and what stands behind the head.
fn open_head<I: DeserializeOwned>(frame: &[u8]) -> io::Result<(I, usize, &[u8])> {
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

fn meaningless() -> io::Error {
    io::Error::other("another rank says what has no meaning")
}

#[cfg(test)]
mod tests;

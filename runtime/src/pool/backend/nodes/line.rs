//! Messages of any length between this rank and the others, over a [`Transport`].
//!
//! What rank 0 says to all others is a [stream](Stream) of messages of its own, beside those to each of them. A
//! message to one can be made to wait for it.

use std::io;

use serde::de::DeserializeOwned;

pub(super) use super::outgoing::{Body, Outgoing, SMALL};
use super::outgoing::{
    HEAD, LAST_PART, PART, PIECE_OF_BODY, PULSE, Stream, TO_ALL, VOID, WHOLE, meaningless,
    open_head,
};
pub(super) use super::room::Room;
use crate::sys::now_nanos;
use crate::transport::Transport;

/// No more is given to the transport while so much for that rank has not gone.
const WINDOW: usize = 6 << 20;
/// The same for what all ranks are sent, which leaves room for the rest.
const CAST_WINDOW: usize = 4 << 20;

/// So much is taken in before something is sent again: a large body shall keep no sign of life waiting.
const TURN: usize = 16;

/// So often a rank says that it is alive, if it has nothing else to say.
const PULSE_NANOS: u64 = 200_000_000;

/// Seconds of silence after which a rank is lost, where the user says how many.
const SILENCE: &str = "PARPROC_SILENCE";

/// For how many nanoseconds a rank may be silent, if the user says so.
pub(super) fn silence() -> Option<u64> {
    let seconds: f64 = std::env::var(SILENCE).ok()?.trim().parse().ok()?;
    (0.1..1e6)
        .contains(&seconds)
        .then_some((seconds * 1e9) as u64)
}

#[derive(Debug)]
struct Peer<I, B> {
    stream: Stream<B>,
    /// What comes from it: to this rank, and to all.
    incoming: [Begun<I>; 2],
    /// When it was heard, and when something was sent to it.
    heard: u64,
    spoken: u64,
    lost: bool,
}

/// A message that has not come whole.
#[derive(Debug)]
struct Begun<I> {
    /// Parts of its head.
    parts: Vec<u8>,
    /// Its head, its body, and how much of that is there.
    body: Option<(I, Room, usize)>,
}

impl<I> Default for Begun<I> {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            body: None,
        }
    }
}

/// The other ranks, as one of them sees them: `I` are the heads that come in.
pub(super) struct Line<I, B> {
    transport: Box<dyn Transport>,
    peers: Vec<Peer<I, B>>,
    /// For all of them.
    casts: Stream<B>,
    /// Frames that came, from whom, and how much of them was read.
    unread: (usize, Vec<u8>),
    read: usize,
    /// How many more are taken before the next [turn](Self::send).
    turn: usize,
    /// More than a sign of life was taken since then.
    advanced: bool,
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
            stream: Stream::new(0),
            incoming: Default::default(),
            heard: now_nanos(),
            spoken: 0,
            lost: false,
        };
        Self {
            peers: (0..transport.size()).map(peer).collect(),
            transport,
            casts: Stream::new(TO_ALL),
            unread: (0, Vec::new()),
            read: 0,
            turn: TURN,
            advanced: false,
        }
    }

    pub(super) fn post(&mut self, to: usize, message: Outgoing<B>) {
        if let Some(peer) = self.peers.get_mut(to).filter(|peer| !peer.lost) {
            peer.stream.push(message);
        }
    }

    /// True when everything for that rank was handed to the transport.
    pub(super) fn has_said_all(&self, to: usize) -> bool {
        self.peers.get(to).is_none_or(|peer| peer.stream.is_empty())
    }

    /// In rank 0: posts a message to all others.
    pub(super) fn post_to_all(&mut self, message: Outgoing<B>) {
        self.casts.push(message);
    }

    /// True while something is on its way that only looking moves on.
    pub(super) fn is_moving(&self) -> bool {
        self.transport.is_moving()
    }

    /// True when nothing waits here any more.
    pub(super) fn is_drained(&self) -> bool {
        let mut ranks = self.peers.iter().enumerate();
        let is_drained = |(rank, peer): (usize, &Peer<I, B>)| {
            peer.lost || peer.stream.is_empty() && self.transport.backlog(rank) == 0
        };
        self.casts.is_empty() && ranks.all(is_drained)
    }

    /// Hands over what there is room for. `later` is as for [`Stream::next`]. Says whether anything was handed
    /// over, or anything but signs of life was taken in before, or waits for its turn.
    pub(super) fn send(
        &mut self,
        mut later: impl FnMut(&B, usize, usize, &mut Vec<u8>) -> bool,
    ) -> bool {
        let mut sent = std::mem::take(&mut self.advanced) || self.turn == 0;
        self.turn = TURN;
        while self.has_room_for_all()
            && let Some(frames) = self.casts.next(u64::MAX, &mut *self.transport, &mut later)
        {
            sent = true;
            self.transport.broadcast(frames.as_slice().into());
            self.transport.recycle(frames);
            for peer in &mut self.peers {
                peer.spoken = now_nanos();
            }
        }
        for (rank, peer) in self.peers.iter_mut().enumerate() {
            while self.transport.backlog(rank) < WINDOW
                && let Some(frames) =
                    peer.stream
                        .next(self.casts.count, &mut *self.transport, &mut later)
            {
                sent = true;
                peer.spoken = now_nanos();
                self.transport.send(rank, frames);
            }
        }
        sent
    }

    /// True when nobody has much to take in.
    fn has_room_for_all(&self) -> bool {
        let mut ranks = 0..self.peers.len();
        !self.casts.is_empty() && ranks.all(|rank| self.transport.backlog(rank) < CAST_WINDOW)
    }

    /// The next message that came whole, but for what is left for the next turn. `room` makes room for a body that does not come with its head.
    ///
    /// Fails when the way to the other ranks is broken, or one of them says what has no meaning.
    pub(super) fn receive(
        &mut self,
        mut room: impl FnMut(usize, &I, usize) -> Room,
    ) -> io::Result<Option<Incoming<I>>> {
        loop {
            if self.unread.1.is_empty() {
                if self.turn == 0 {
                    return Ok(None);
                }
                self.turn -= 1;
                // On a busy machine a turn can last.
                self.pulse(now_nanos());
                let Some((from, frames)) = self.transport.poll()? else {
                    return Ok(None);
                };
                let read = std::mem::replace(&mut self.unread, (from, frames));
                self.transport.recycle(read.1);
                self.read = 0;
            }
            let from = self.unread.0;
            let Some(peer) = self.peers.get_mut(from).filter(|peer| !peer.lost) else {
                self.unread.1.clear();
                continue;
            };
            peer.heard = now_nanos();
            let (frame, kind) = match &self.unread.1[self.read..] {
                frame if frame.first().is_some_and(|kind| *kind < 2 * TO_ALL) => (frame, frame[0]),
                _ => return Err(meaningless()),
            };
            self.advanced |= kind % TO_ALL != PULSE;
            let begun = &mut peer.incoming[usize::from(kind >= TO_ALL)];
            match kind % TO_ALL {
                PULSE => self.unread.1.clear(),
                PIECE_OF_BODY => {
                    let (head, mut body, filled) = begun.body.take().ok_or_else(meaningless)?;
                    let part = &frame[1..];
                    if !body.take(filled, part) {
                        return Err(meaningless());
                    }
                    let filled = filled + part.len();
                    self.unread.1.clear();
                    if filled == body.len() {
                        return Ok(Some(Incoming { from, head, body }));
                    }
                    begun.body = Some((head, body, filled));
                }
                VOID => {
                    let (head, body, _) = begun.body.take().ok_or_else(meaningless)?;
                    self.unread.1.clear();
                    let body = Room::Void(body.len());
                    return Ok(Some(Incoming { from, head, body }));
                }
                PART => {
                    begun.parts.extend_from_slice(&frame[1..]);
                    self.unread.1.clear();
                }
                LAST_PART => {
                    let mut whole = std::mem::take(&mut begun.parts);
                    whole.extend_from_slice(&frame[1..]);
                    self.transport
                        .recycle(std::mem::replace(&mut self.unread.1, whole));
                    self.read = 0;
                }
                kind @ (WHOLE | HEAD) => {
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
                    begun.body = Some((head, body, 0));
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

    /// That rank is lost: nothing is heard from it any more, and nothing said but a word, should it live.
    pub(super) fn forget(&mut self, rank: usize, mut word: Outgoing<B>) {
        if let Some(peer) = self.peers.get_mut(rank) {
            peer.lost = true;
            peer.stream = Stream::new(0);
            peer.incoming = Default::default();
            self.transport.forget(rank);
            self.transport.send(rank, word.take_frame(0));
        }
    }

    /// Says a last word to those lost ranks that may hear it.
    pub(super) fn tell_lost(&mut self, word: impl Fn() -> Outgoing<B>) {
        for (rank, _) in self.peers.iter().enumerate().filter(|(_, peer)| peer.lost) {
            if self.transport.backlog(rank) == 0 {
                self.transport.send(rank, word().take_frame(0));
            }
        }
    }

    pub(super) fn finish(self, orderly: bool) {
        self.transport.finish(orderly);
    }
}

#[cfg(test)]
mod tests;

//! The ranks of a launch, and the messages between them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::abi::Abi;
use super::buffers::Buffers;
use super::calls::{Bytes, Failure, Mpi, Receiving, Waiting};
use super::casts::Casts;
use super::peer::{ANNOUNCEMENT, Item, MESSAGE, Peer, RECEIPT, SUBSTITUTE, kind_of};
use crate::transport::{MOST_BYTES, Transport};

pub(super) const MOST: usize = MOST_BYTES;

/// Shorter messages are sent to each rank: telling of a broadcast would cost as much.
const LEAST_BROADCAST: usize = 16 << 10;

/// How long an orderly end may take, which waits for what others do at theirs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct World<A: Abi> {
    mpi: Mpi<A>,
    peers: Vec<Peer<A>>,
    /// Ranks to which something is on its way, and from which; each once.
    outgoing: VecDeque<usize>,
    incoming: VecDeque<usize>,
    casts: Casts<A>,
    buffers: Buffers,
    /// Whether a rank was lost: then not all can take part in anything any more.
    incomplete: bool,
    /// What was received and is for nobody.
    strays: Vec<Receiving<A>>,
}

impl<A: Abi> World<A> {
    pub(super) fn new(mpi: Mpi<A>) -> Self {
        let mut peers: Vec<_> = (0..mpi.size).map(|_| Peer::default()).collect();
        // Nobody sends to himself.
        peers[mpi.rank].lose();
        Self {
            mpi,
            peers,
            outgoing: VecDeque::new(),
            incoming: VecDeque::new(),
            casts: Casts::default(),
            buffers: Buffers::default(),
            incomplete: false,
            strays: Vec::new(),
        }
    }

    /// The other ranks that are not lost.
    fn others(&self) -> Vec<usize> {
        let ranks = 0..self.peers.len();
        ranks.filter(|rank| !self.peers[*rank].lost).collect()
    }

    fn put(&mut self, to: usize, item: Item) {
        if to == self.mpi.rank {
            return;
        }
        let Some(peer) = self.peers.get_mut(to) else {
            return;
        };
        peer.put(item);
        if !peer.in_outgoing {
            self.push_to(to);
        }
    }

    /// Sends what may be sent to a rank that is not in the list, and puts it there if something is left. If
    /// that fails, nothing can be sent to it any more, so that it will be missed.
    fn push_to(&mut self, to: usize) {
        let peer = &mut self.peers[to];
        let begun = self.casts.begun();
        let pushed = peer.push(&self.mpi, to, begun, &mut self.buffers);
        if pushed.is_err() {
            peer.lose();
        }
        if peer.has_outgoing() {
            peer.in_outgoing = true;
            self.outgoing.push_back(to);
        }
    }

    fn push(&mut self) {
        if !self.casts.is_empty() && self.casts.push(&self.mpi).is_err() {
            self.send_without_broadcasts();
        }
        for _ in 0..self.outgoing.len() {
            if let Some(to) = self.outgoing.pop_front() {
                self.peers[to].in_outgoing = false;
                self.push_to(to);
            }
        }
    }

    /// From now on, and what has not arrived everywhere.
    fn send_without_broadcasts(&mut self) {
        self.incomplete = true;
        let (first, broadcasts) = self.casts.give_up();
        if broadcasts.is_empty() {
            return;
        }
        for to in self.others() {
            let peer = &mut self.peers[to];
            peer.substitute(first, &broadcasts);
            if !peer.in_outgoing {
                self.push_to(to);
            }
        }
    }

    /// The next message that is there, of one rank after the other.
    fn next(&mut self) -> Option<(usize, Vec<u8>)> {
        for _ in 0..self.incoming.len() {
            let from = self.incoming.pop_front()?;
            self.peers[from].in_incoming = false;
            let message = self.next_from(from);
            if message.is_some() {
                return message;
            }
        }
        None
    }

    /// The next message from a rank that is not in the list, which is put there if more is to come. If
    /// nothing more can be received from it, it will be missed.
    fn next_from(&mut self, from: usize) -> Option<(usize, Vec<u8>)> {
        let peer = &mut self.peers[from];
        let Ok(message) = peer.next(&self.mpi, &mut self.buffers) else {
            peer.lose();
            return None;
        };
        if peer.has_incoming() {
            peer.in_incoming = true;
            self.incoming.push_back(from);
        }
        // A receipt.
        if peer.has_outgoing() && !peer.in_outgoing {
            self.push_to(from);
        }
        message.map(|message| (from, message))
    }

    /// Begins to receive the next message that waits, and gives who sent it.
    fn accept(&mut self) -> Result<Option<usize>, Failure> {
        let Some(waiting) = self.mpi.probe()? else {
            return Ok(None);
        };
        let Waiting { from, tag, bytes } = waiting;
        let kind = kind_of(tag);
        let known = match kind {
            MESSAGE | RECEIPT => true,
            ANNOUNCEMENT | SUBSTITUTE => from == 0,
            _ => false,
        };
        if !known || bytes > MOST || from >= self.peers.len() || from == self.mpi.rank {
            return Err(Failure {
                function: "MPI_Iprobe",
                reason: format!("{bytes} bytes with tag {tag} from rank {from} are no message"),
            });
        }
        let memory = self.buffers.take(bytes);
        let receiving = self.mpi.receive(waiting, memory)?;
        let peer = &mut self.peers[from];
        if peer.lost {
            self.ignore(receiving);
        } else if kind == RECEIPT {
            // Each rank gives them in the order of their numbers.
            if let Some(bytes) = self.casts.got(peer.got) {
                peer.got += 1;
                peer.backlog -= bytes;
            }
            self.ignore(receiving);
        } else {
            peer.expect(tag, receiving);
        }
        Ok(Some(from))
    }

    /// Receives what nobody asks for.
    fn ignore(&mut self, receiving: Receiving<A>) {
        self.strays.push(receiving);
        let mpi = &self.mpi;
        self.strays
            .retain_mut(|stray| matches!(stray.message(mpi), Ok(None)));
    }

    /// Waits until everything was sent, here and everywhere, and leaves the world.
    fn leave(mut self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut meeting = None;
        loop {
            // What still comes is for nobody, but who sent it waits for it to be taken.
            let came = self.poll()?.is_some();
            if meeting.is_none() && self.outgoing.is_empty() && self.casts.is_empty() {
                meeting = Some(self.mpi.meet().map_err(io::Error::other)?);
            }
            if let Some(meeting) = &mut meeting
                && meeting.is_over(&self.mpi).map_err(io::Error::other)?
            {
                break;
            }
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if !came {
                std::thread::yield_now();
            }
        }
        self.mpi.finalize().map_err(io::Error::other)
    }
}

impl<A: Abi> Transport for World<A> {
    fn rank(&self) -> usize {
        self.mpi.rank
    }

    fn size(&self) -> usize {
        self.mpi.size
    }

    fn buffer(&mut self, bytes: usize) -> Vec<u8> {
        self.buffers.take(bytes)
    }

    fn recycle(&mut self, message: Vec<u8>) {
        self.buffers.put(message);
    }

    fn send(&mut self, to: usize, message: Vec<u8>) {
        self.put(to, Item::Message(Bytes::Own(message)));
    }

    fn broadcast(&mut self, message: Arc<[u8]>) {
        let others = self.others();
        if self.incomplete || others.len() < 2 || message.len() < LEAST_BROADCAST {
            for to in others {
                self.put(to, Item::Message(Bytes::Shared(Arc::clone(&message))));
            }
            return;
        }
        let bytes = message.len();
        let number = self.casts.add(message, others.len());
        if self.casts.push(&self.mpi).is_err() {
            // It is among those that are sent anew, once it stands in the queues.
            self.incomplete = true;
        }
        for to in others {
            self.peers[to].backlog += bytes;
            self.put(to, Item::Announcement(number, bytes));
        }
        if self.incomplete {
            self.send_without_broadcasts();
        }
    }

    fn backlog(&self, to: usize) -> usize {
        self.peers.get(to).map_or(0, |peer| peer.backlog)
    }

    fn is_moving(&self) -> bool {
        // What was sent to a lost rank may never arrive.
        let mut ranks = self.outgoing.iter().chain(&self.incoming);
        !self.casts.is_empty() || ranks.any(|rank| !self.peers[*rank].lost)
    }

    fn poll(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        self.push();
        if let Some(message) = self.next() {
            return Ok(Some(message));
        }
        while let Some(from) = self.accept().map_err(io::Error::other)? {
            // What stands in the list was looked at just now.
            if !self.peers[from].in_incoming
                && let Some(message) = self.next_from(from)
            {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn forget(&mut self, rank: usize) {
        let Some(peer) = self.peers.get_mut(rank) else {
            return;
        };
        peer.lose();
        self.send_without_broadcasts();
    }

    fn finish(self: Box<Self>, orderly: bool) {
        if orderly && !self.incomplete {
            // Who cannot leave in order just leaves.
            let _ = self.leave();
        }
    }
}

//! Ranks that are in one process, for tests.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::Transport;

/// One of them.
pub(crate) struct Memory {
    rank: usize,
    others: Vec<Sender<(usize, Vec<u8>)>>,
    inbox: Receiver<(usize, Vec<u8>)>,
    forgotten: Vec<bool>,
}

/// So many ranks.
pub(crate) fn ranks(size: usize) -> Vec<Memory> {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..size).map(|_| channel()).unzip();
    let rank = |(rank, inbox)| Memory {
        rank,
        others: senders.clone(),
        inbox,
        forgotten: vec![false; size],
    };
    inboxes.into_iter().enumerate().map(rank).collect()
}

impl Transport for Memory {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.others.len()
    }

    fn buffer(&mut self, bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn recycle(&mut self, _: Vec<u8>) {}

    fn send(&mut self, to: usize, message: Vec<u8>) {
        // One that has ended hears nothing.
        let _ = self.others[to].send((self.rank, message));
    }

    fn broadcast(&mut self, message: Arc<[u8]>) {
        let own = self.rank;
        let others = (0..self.size()).filter(|to| *to != own);
        for to in others.filter(|to| !self.forgotten[*to]).collect::<Vec<_>>() {
            self.send(to, message.to_vec());
        }
    }

    fn backlog(&self, _: usize) -> usize {
        0
    }

    fn is_moving(&self) -> bool {
        false
    }

    fn poll(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        loop {
            match self.inbox.try_recv() {
                Ok((from, _)) if self.forgotten[from] => {}
                Ok(message) => return Ok(Some(message)),
                Err(_) => return Ok(None),
            }
        }
    }

    fn forget(&mut self, rank: usize) {
        self.forgotten[rank] = true;
    }

    fn finish(self: Box<Self>, _: bool) {}
}

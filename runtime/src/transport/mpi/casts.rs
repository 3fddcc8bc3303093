//! The broadcasts that rank 0 has under way.

use std::collections::VecDeque;
use std::sync::Arc;

use super::abi::Abi;
use super::calls::{Bytes, Failure, Mpi, Sending};

/// So many broadcasts are under way at a time: the others have memory for so many.
const WINDOW: u64 = 4;

struct Broadcast<A: Abi> {
    message: Arc<[u8]>,
    /// None before it is begun, and when it is over.
    sending: Option<Sending<A>>,
    /// How many ranks have not got it.
    missing: usize,
}

/// Broadcasts have numbers in the order in which they are begun.
pub(super) struct Casts<A: Abi> {
    /// The number of the oldest one that is not over.
    first: u64,
    /// Those below this number were begun.
    begun: u64,
    pending: VecDeque<Broadcast<A>>,
}

impl<A: Abi> Default for Casts<A> {
    fn default() -> Self {
        Self {
            first: 0,
            begun: 0,
            pending: VecDeque::new(),
        }
    }
}

impl<A: Abi> Casts<A> {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Gives its number.
    pub(super) fn add(&mut self, message: Arc<[u8]>, ranks: usize) -> u64 {
        self.pending.push_back(Broadcast {
            message,
            sending: None,
            missing: ranks,
        });
        self.first + self.pending.len() as u64 - 1
    }

    /// A rank has got the broadcast with that number; gives how long it was.
    pub(super) fn got(&mut self, number: u64) -> Option<usize> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let broadcast = self.pending.get_mut(place)?;
        broadcast.missing = broadcast.missing.checked_sub(1)?;
        Some(broadcast.message.len())
    }

    /// Begins and ends what can be.
    pub(super) fn push(&mut self, mpi: &Mpi<A>) -> Result<(), Failure> {
        while let Some(oldest) = self.pending.front_mut() {
            let over = match &mut oldest.sending {
                Some(sending) => sending.is_over(mpi)?,
                None => false,
            };
            if !over || oldest.missing > 0 {
                break;
            }
            self.pending.pop_front();
            self.first += 1;
        }
        let open = self.pending.len().min(WINDOW as usize);
        for broadcast in self.pending.iter_mut().take(open) {
            match &mut broadcast.sending {
                // Where MPI moves data only in a call for it.
                Some(sending) => drop(sending.is_over(mpi)?),
                None => {
                    let message = Bytes::Shared(Arc::clone(&broadcast.message));
                    broadcast.sending = Some(mpi.send_to_all(message)?);
                    self.begun += 1;
                }
            }
        }
        Ok(())
    }

    /// Abandons all; gives the number of the first and what they were.
    pub(super) fn give_up(&mut self) -> (u64, Vec<Arc<[u8]>>) {
        let messages = self.pending.drain(..).map(|broadcast| broadcast.message);
        (self.first, messages.collect())
    }
}

//! A call whose results are kept in a journal, from the caller's side.
//!
//! An item whose result the journal has is not handed in. Of one that is, the digest of its arguments is kept until
//! its result is there, which is put into the journal before the user gets it.

use std::any::type_name;
use std::collections::HashMap;
use std::path::Path;

use super::call::Decide;
use super::chunk::Delivery;
use crate::error::{Error, Failure, Result};
use crate::format::VERSION;
use crate::journal::{Header, Journal, Recorded, digest};
use crate::registry::{FunctionId, Table};
use crate::wire::{Mark, Output, Payload, decode};

/// What a caller gets next.
pub(super) enum Coming<R> {
    News(Delivery),
    /// Results from the journal, with their indexes and the attempts at which they came.
    Recorded(Vec<(usize, R, u32)>),
}

/// So many of these are given at once.
pub(super) const MOST_RECORDED: usize = 1024;

/// Why an item was not taken.
pub(super) enum Unread {
    /// It cannot be encoded: its own failure.
    Item(Failure),
    /// The whole call fails.
    Call(Error),
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        Unread::Item(failure)
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Unread::Call(error)
    }
}

/// The journal of a call.
#[derive(Debug)]
pub(super) struct Durable {
    journal: Journal,
    /// The digests of items whose results are to come.
    digests: HashMap<usize, u128>,
}

impl Durable {
    /// The journal at `path`, for results of type `R`. If the call has no seed, it has that of the journal.
    pub(super) fn open<R>(
        path: &Path,
        table: &Table,
        function: FunctionId,
        seed: Option<u64>,
    ) -> Result<Self> {
        let signature = table.get(function).map_or("", |entry| entry.signature);
        let header = Header {
            version: VERSION.to_owned(),
            function: table.name(function).to_owned(),
            signature: signature.to_owned(),
            result: type_name::<R>().to_owned(),
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
        };
        Ok(Self {
            journal: Journal::open(path, header, seed.is_some())?,
            digests: HashMap::new(),
        })
    }

    pub(super) fn seed(&self) -> u64 {
        self.journal.seed()
    }

    /// The result that the item has which stands behind `mark`, and the attempt at which it came. A result that
    /// `decide` wants to be tried again is none.
    ///
    /// Fails when the journal is about another item, or a later run could not tell that this one is the same.
    pub(super) fn find<R: Output>(
        &mut self,
        index: usize,
        payload: &Payload,
        mark: Mark,
        decide: Option<&Decide<R>>,
    ) -> Result<Option<(R, u32)>> {
        if !payload.objects().is_empty() {
            return Err(self.journal.refused(format!(
                "item {index} has arguments that processes share (an array, a lock, a channel, an actor): another \
                 run cannot tell whether they are the same. Give the item values, and load what is large in the \
                 pool's `init` function"
            )));
        }
        let digest = digest(payload.pieces_behind(mark));
        if let Some(Recorded { value, attempt }) = self.journal.find(index, digest)? {
            let value = Ok(self.decoded(index, &value)?);
            if !decide.is_some_and(|decide| decide(&value)) {
                return Ok(value.ok().map(|value| (value, attempt)));
            }
        }
        self.digests.insert(index, digest);
        Ok(None)
    }

    /// Fails when a result is none of the function any more.
    fn decoded<R: Output>(&self, index: usize, value: &[u8]) -> Result<R> {
        decode(value).map_err(|reason| {
            self.journal.refused(format!(
                "the result of item {index} could not be read ({reason}): the type of the results has changed; name \
                 another file, or remove this one to begin again"
            ))
        })
    }

    /// An item is over; a `good` result is kept by the next [`write`](Self::write).
    pub(super) fn settle(&mut self, index: usize, attempt: u32, value: &[u8], good: bool) {
        if let Some(digest) = self.digests.remove(&index).filter(|_| good) {
            self.journal.add(index, digest, attempt, value);
        }
    }

    /// Puts what was added into the journal.
    pub(super) fn write(&mut self) -> Result<()> {
        self.journal.write()
    }

    /// The results name what processes share.
    pub(super) fn cannot_keep(&self, name: &str) -> Error {
        self.journal.refused(format!(
            "results of `{name}` have in them what processes share (an array, a lock, a channel, an actor), which is gone \
             with the program: have it return values"
        ))
    }
}

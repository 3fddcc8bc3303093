//! The pipe of one worker: read, and divided into frames.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Context;
use super::hub::{Hub, Job, What};
use super::player::Player;
use crate::pool::chunk::Chunk;
use crate::pool::state::Litter;
use crate::shm::{Lane, Placed, WorkerWords};
use crate::sys::{Read, read_now};
use crate::wire::Numbering;
use crate::wire::log::{LONGEST_BODY, LogHeader};

/// How much is read at once: what a pipe holds.
const READ: usize = 64 << 10;
/// How much is read of what is there now: who has the other end may write without end.
const MOST_AT_ONCE: u64 = 1 << 20;

/// What a frame is from.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) context: Context,
    /// None if it is from no item of a chunk that the worker has.
    pub(super) task: Option<Task>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) chunk: u64,
    pub(super) place: u32,
    pub(super) function: &'static str,
    /// Which item of its call, unless it is a call by itself.
    pub(super) index: Option<u64>,
    pub(super) attempt: u32,
}

#[derive(Debug)]
pub(in crate::pool) struct Source {
    #[cfg(feature = "mpi")]
    pid: u32,
    hub: Arc<Hub>,
    held: Mutex<Held>,
    /// For the thread that plays.
    player: Mutex<Player>,
}

#[derive(Debug)]
struct Held {
    /// None once the worker was buried.
    pipe: Option<Arc<OwnedFd>>,
    worker: Option<Placed<WorkerWords>>,
    /// Everybody has closed the other end.
    at_end: bool,
    /// Bytes that were read.
    position: u64,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// The worker has written what is no frame: it is not listened to any more.
    broken: bool,
    /// Chunks that it has and whose callers want to hear, oldest first.
    given: VecDeque<Given>,
    /// The last thing that was put into the hub.
    number: u64,
}

#[derive(Debug)]
struct Given {
    number: u64,
    count: u32,
    first: Task,
    context: Context,
    /// Something came of it.
    heard: bool,
}

impl Source {
    pub(in crate::pool) fn new(hub: &Arc<Hub>, pid: u32, lane: &Lane, pipe: OwnedFd) -> Arc<Self> {
        Arc::new(Self {
            #[cfg(feature = "mpi")]
            pid,
            hub: Arc::clone(hub),
            held: Mutex::new(Held {
                pipe: Some(Arc::new(pipe)),
                worker: Some(lane.worker.clone()),
                at_end: false,
                position: 0,
                partial: Vec::new(),
                broken: false,
                given: VecDeque::new(),
                number: 0,
            }),
            player: Mutex::new(Player::new(pid)),
        })
    }

    /// That of a worker of a node, which reads its pipe.
    #[cfg(feature = "mpi")]
    pub(super) fn of_node(hub: &Arc<Hub>, pid: u32, site: super::Site) -> Arc<Self> {
        Arc::new(Self {
            pid,
            hub: Arc::clone(hub),
            held: Mutex::new(Held {
                pipe: None,
                worker: None,
                at_end: true,
                position: 0,
                partial: Vec::new(),
                broken: false,
                given: VecDeque::new(),
                number: 0,
            }),
            player: Mutex::new(Player::of_node(pid, site)),
        })
    }

    /// The worker's process.
    #[cfg(feature = "mpi")]
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The node of such a worker is gone.
    #[cfg(feature = "mpi")]
    pub(super) fn end_away(self: &Arc<Self>) {
        self.put(&mut self.lock(), [What::End]);
    }

    /// Nobody waits for anything while he has the lock.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker is given a chunk, with this number, of calls of `function`.
    pub(in crate::pool) fn give(
        &self,
        number: u64,
        chunk: &Chunk,
        function: &'static str,
        context: &Context,
    ) {
        if context.is_on() {
            let index = (chunk.numbering == Numbering::Items).then_some(chunk.first as u64);
            let mut held = self.lock();
            if held.pipe.is_none() {
                // It has ended, and nobody would take the context out again.
                return;
            }
            held.given.push_back(Given {
                number,
                count: chunk.count,
                first: Task {
                    chunk: number,
                    place: 0,
                    function,
                    index,
                    attempt: chunk.history.attempt,
                },
                context: context.clone(),
                heard: false,
            });
        }
    }

    /// Results of the worker were read, and chunks before number `oldest` are over: takes in what was written
    /// before those. Gives the number of what has to be played before the results are the caller's.
    ///
    /// The contexts of those chunks become `litter`: the last of a call closes the caller's span, in the user's
    /// subscriber.
    pub(in crate::pool) fn hear(self: &Arc<Self>, oldest: u64, litter: &mut Vec<Litter>) -> u64 {
        let mut held = self.lock();
        let logged = held.worker.as_ref();
        let logged = logged.map_or(0, |words| words.logged.load(Ordering::Acquire));
        self.drain_to(&mut held, logged);
        let mut over = None;
        while let Some(given) = held.given.pop_front_if(|given| given.number < oldest) {
            if given.heard {
                over = Some(given.number);
            }
            litter.push(Litter::Context(given.context));
        }
        if let Some(over) = over {
            self.put(&mut held, [What::Over(over)]);
        }
        held.number
    }

    /// The pipe, if there may be something to come.
    pub(in crate::pool) fn pipe(&self) -> Option<Arc<OwnedFd>> {
        let held = self.lock();
        held.pipe.clone().filter(|_| !held.at_end)
    }

    /// Reads what is there now; true if there was something.
    pub(in crate::pool) fn look(self: &Arc<Self>) -> bool {
        let mut held = self.lock();
        let before = held.position;
        self.drain_to(&mut held, u64::MAX);
        held.position != before
    }

    /// Reads once.
    pub(in crate::pool) fn read(self: &Arc<Self>, buffer: &mut Vec<u8>) {
        let mut held = self.lock();
        self.read_on(&mut held, buffer);
    }

    /// The worker has ended: takes in what is there and closes the pipe. False if that was said before.
    pub(in crate::pool) fn end(self: &Arc<Self>) -> bool {
        let mut held = self.lock();
        if held.pipe.is_none() {
            return false;
        }
        self.drain_to(&mut held, u64::MAX);
        (held.pipe, held.worker) = (None, None);
        held.partial = Vec::new();
        let given = std::mem::take(&mut held.given);
        if held.number > 0 {
            self.put(&mut held, [What::End]);
        }
        drop(held);
        // Not under the lock: it may close spans in the user's subscriber.
        drop(given);
        true
    }

    /// Plays what was put into the hub.
    pub(super) fn play(&self, what: What) {
        let player = self.player.lock();
        player.unwrap_or_else(PoisonError::into_inner).play(what);
    }

    fn drain_to(self: &Arc<Self>, held: &mut Held, to: u64) {
        let begin = held.position;
        let mut buffer = Vec::new();
        while held.position < to && held.position - begin < MOST_AT_ONCE {
            if self.read_on(held, &mut buffer) != Read::Bytes {
                break;
            }
        }
    }

    fn read_on(self: &Arc<Self>, held: &mut Held, buffer: &mut Vec<u8>) -> Read {
        let Some(pipe) = &held.pipe else {
            return Read::End;
        };
        let read = read_now(pipe, READ, buffer);
        match read {
            Read::Bytes => {
                held.position += buffer.len() as u64;
                let frames = held.divide(buffer);
                if !frames.is_empty() {
                    self.put(held, frames);
                }
            }
            Read::Nothing => {}
            Read::End => held.at_end = true,
        }
        read
    }

    fn put(self: &Arc<Self>, held: &mut Held, what: impl IntoIterator<Item = What>) {
        let job = |what| Job {
            source: Arc::clone(self),
            what,
        };
        held.number = self.hub.put(what.into_iter().map(job));
    }
}

impl Held {
    /// The frames that end in `bytes`.
    fn divide(&mut self, bytes: &[u8]) -> Vec<What> {
        let mut frames = Vec::new();
        if self.broken {
            return frames;
        }
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        let mut rest = &partial[..];
        while let Some((header, body)) = rest.split_first_chunk() {
            let header = LogHeader::from_bytes(header);
            if header.len as usize > LONGEST_BODY {
                self.broken = true;
                return frames;
            }
            let Some((body, behind)) = body.split_at_checked(header.len as usize) else {
                break;
            };
            frames.push(What::Frame(self.item(header), body.into()));
            rest = behind;
        }
        if rest.len() == partial.len() {
            self.partial = partial;
        } else {
            self.partial = rest.to_vec();
        }
        frames
    }

    fn item(&mut self, header: LogHeader) -> Item {
        let mut given = self.given.iter_mut();
        let Some(given) = given.find(|given| given.number == header.chunk) else {
            return Item {
                context: Context::ambient(),
                task: None,
            };
        };
        given.heard = true;
        let place = Some(header.place).filter(|place| *place < given.count);
        let task = place.map(|place| Task {
            place,
            index: given.first.index.map(|first| first + u64::from(place)),
            ..given.first
        });
        Item {
            context: given.context.clone(),
            task,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held() -> Held {
        Held {
            pipe: None,
            worker: None,
            at_end: false,
            position: 0,
            partial: Vec::new(),
            broken: false,
            given: VecDeque::new(),
            number: 0,
        }
    }

    fn item(place: u32, chunk: u64) -> Item {
        let task = Task {
            chunk,
            place,
            function: "program::function",
            index: Some(7),
            attempt: 2,
        };
        Item {
            context: Context::ambient(),
            task: Some(task),
        }
    }

    proptest! {
        #[test]
        fn frames_are_whole_however_they_come(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            cuts in prop::collection::vec(0..100_usize, 0..20),
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                let header = LogHeader { len: body.len() as u32, place: 1, chunk: 2 };
                bytes.extend_from_slice(&header.to_bytes());
                bytes.extend_from_slice(body);
            }
            let (mut held, mut rest, mut found) = (held(), &bytes[..], Vec::new());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (part, behind) = rest.split_at(cut.min(rest.len()));
                found.extend(held.divide(part));
                rest = behind;
            }
            let found = found.into_iter().filter_map(|what| match what {
                What::Frame(_, body) => Some(body.into_vec()),
                _ => None,
            });
            prop_assert_eq!(found.collect::<Vec<_>>(), bodies);
        }

        #[test]
        fn bytes_of_a_hostile_worker_do_no_harm(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10),
            bodies in prop::collection::vec(prop::collection::vec(0..12_u8, 0..40), 0..40),
            shown in any::<bool>(),
        ) {
            let mut held = held();
            for part in &parts {
                held.divide(part);
                prop_assert!(held.partial.len() < LogHeader::BYTES + LONGEST_BODY);
            }
            // Small numbers make frames that are read, and name sites and spans that are there or not.
            let mut player = Player::new(1);
            for (number, mut body) in bodies.into_iter().enumerate() {
                if shown {
                    body.push(b'x');
                }
                let item = item(number as u32 % 3, number as u64 / 7);
                player.play(What::Frame(item, body.into()));
                if number % 9 == 8 {
                    player.play(What::Over(1));
                }
            }
            player.play(What::End);
        }
    }
}

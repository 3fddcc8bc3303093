//! A client's end: what this process has asked an actor of another one, and the replies.
//!
//! There is one line for each such actor in a process, whatever the number of handles, and it stays when the
//! handles go: the next task may bring the next one. It holds nothing that keeps the actor; it ends when the
//! door is closed, or the owner has ended, since nobody has a sender of replies any more then.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::message::{Answer, Blob, MANY, Named, Order, Reply, Request, Status};
use crate::channel::{Receiver, RecvError, Sender, bounded};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::{ActorCall, ActorOutcome, Desk, Task, Ticket};
use crate::sys::{forks, spawn_quiet};
use crate::wire::Output;

/// How long to wait before another look at a message that there are no descriptors for.
const PAUSE: Duration = Duration::from_millis(10);

/// By the ids of the doors' channels, and by the number of forks before.
type Lines = HashMap<(u64, u32), Arc<Line>>;

/// The lines of this process.
static LINES: Mutex<Option<Lines>> = Mutex::new(None);

#[derive(Debug)]
pub(super) struct Line {
    /// The door.
    id: u64,
    generation: u32,
    /// What this process is called there.
    client: u64,
    actor: Box<str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The door knows where replies go.
    is_open: bool,
    /// Nobody will reply any more.
    is_over: bool,
    /// The number of the last call.
    last: u64,
    waiting: HashMap<u64, Waiting>,
}

/// Who waits for a reply.
#[derive(Debug)]
enum Waiting {
    Task(Ticket),
    Status(std::sync::mpsc::Sender<Result<Status>>),
}

impl Line {
    /// The line to the door with this sender.
    pub(super) fn of(door: &Sender<Request>, actor: &str) -> Arc<Self> {
        let (id, generation) = (door.id(), forks());
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines
            .get_or_insert_default()
            .entry((id, generation))
            .or_insert_with(|| {
                Arc::new(Self {
                    id,
                    generation,
                    client: fastrand::u64(..),
                    actor: actor.into(),
                    state: Mutex::default(),
                })
            });
        Arc::clone(line)
    }

    /// The type of the actor's state.
    pub(super) fn actor(&self) -> &str {
        &self.actor
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call.
    pub(super) fn call<R: Output>(
        self: &Arc<Self>,
        desk: Desk,
        door: &Sender<Request>,
        call: ActorCall,
    ) -> Task<R> {
        let (function, payload) = match call.into_parts() {
            Ok(parts) => parts,
            Err(error) => return desk.failed(error),
        };
        let (task, ticket) = match desk.wait_for::<R>(function) {
            Ok(waiting) => waiting,
            Err(error) => return desk.failed(error),
        };
        let number = match self.expect(door, Waiting::Task(ticket)) {
            Ok(number) => number,
            Err(error) => {
                ticket.hand_in(ActorOutcome::Refused(error));
                return task;
            }
        };
        let objects = payload.objects().to_vec();
        self.send(
            door,
            number,
            Request::Call {
                client: self.client,
                call: number,
                function: function.0,
                arguments: Blob(payload.whole().into_owned()),
                named: Named(objects),
            },
        );
        task
    }

    /// Gives an order, and waits for what the owner says then.
    pub(super) fn order(self: &Arc<Self>, door: &Sender<Request>, order: Order) -> Result<Status> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let call = self.expect(door, Waiting::Status(sender))?;
        let client = self.client;
        self.send(
            door,
            call,
            Request::Order {
                client,
                call,
                order,
            },
        );
        receiver.recv().unwrap_or_else(|_| Err(self.lost()))
    }

    /// Takes note of who waits for the reply to the next call; gives the call's number.
    fn expect(self: &Arc<Self>, door: &Sender<Request>, waiting: Waiting) -> Result<u64> {
        let mut state = self.state();
        if !state.is_open && !state.is_over {
            let opened = self.open(door);
            opened.map_err(|error| Error::os("no way back from an actor could be made", error))?;
            state.is_open = true;
        }
        if state.is_over {
            return Err(self.lost());
        }
        state.last += 1;
        let number = state.last;
        state.waiting.insert(number, waiting);
        Ok(number)
    }

    /// Tells the door where replies go.
    fn open(self: &Arc<Self>, door: &Sender<Request>) -> io::Result<()> {
        let (replies, receiver) = bounded(MANY)?;
        let hello = Request::Hello {
            client: self.client,
            replies,
        };
        // If nobody hears it, there is nobody who has the other end: the line is over at once.
        if let Err(error) = door.send(hello)
            && !error.is_disconnected()
        {
            return Err(io::Error::other(error.to_string()));
        }
        let this = Arc::clone(self);
        spawn_quiet("parproc-replies", move || this.listen(&receiver))?;
        Ok(())
    }

    fn send(&self, door: &Sender<Request>, number: u64, request: Request) {
        let Err(error) = door.send(request) else {
            return;
        };
        let error = if error.is_disconnected() {
            self.lost()
        } else {
            Error::os_text("a call could not be sent to its actor", error.to_string())
        };
        let waiting = self.state().waiting.remove(&number);
        if let Some(waiting) = waiting {
            waiting.refuse(error);
        }
    }

    fn listen(&self, replies: &Receiver<Reply>) {
        loop {
            match replies.recv() {
                Ok(Reply { call, answer }) => {
                    let waiting = self.state().waiting.remove(&call);
                    if let Some(waiting) = waiting {
                        waiting.take(answer, &self.actor);
                    }
                }
                Err(RecvError::Disconnected) => break,
                // The message stays until this process can have its descriptors.
                Err(RecvError::Failed(error)) if error.system_error().is_some() => {
                    std::thread::sleep(PAUSE);
                }
                Err(RecvError::Failed(_)) => {}
            }
        }
        if let Some(lines) = &mut *LINES.lock().unwrap_or_else(PoisonError::into_inner) {
            lines.remove(&(self.id, self.generation));
        }
        let mut state = self.state();
        state.is_over = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waiting in waiting.into_values() {
            waiting.refuse(self.lost());
        }
    }

    /// The error of a call that nobody replies to any more.
    pub(super) fn lost(&self) -> Error {
        Error::new(ErrorKind::ActorDied {
            actor: self.actor.to_string(),
            reason: "the process that it belongs to has ended".to_owned(),
            source: None,
        })
    }
}

impl Waiting {
    fn take(self, answer: Answer, actor: &str) {
        match (self, answer) {
            (Self::Task(ticket), answer) => ticket.hand_in(answer.into_outcome(actor)),
            (Self::Status(sender), Answer::Status(status)) => {
                // Who asked is waiting.
                let _ = sender.send(Ok(status));
            }
            (waiting @ Self::Status(_), answer) => {
                if let ActorOutcome::Refused(error) = answer.into_outcome(actor) {
                    waiting.refuse(error);
                }
            }
        }
    }

    fn refuse(self, error: Error) {
        match self {
            Self::Task(ticket) => ticket.hand_in(ActorOutcome::Refused(error)),
            Self::Status(sender) => {
                let _ = sender.send(Err(error));
            }
        }
    }
}

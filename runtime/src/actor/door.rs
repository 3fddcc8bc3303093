//! The owner's end: calls of handles in other processes come in here.
//!
//! The door holds the actor as any handle does, as long as there is a sender of its channel: the owner's
//! handles have one once one of them was sent, and so has every handle in another process or on its way there.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::message::{Answer, Blob, MANY, Named, Order, Reply, Request, Status};
use super::replies::Replies;
use crate::channel::{Receiver, RecvError, Sender, bounded};
use crate::pool::ActorPool;
use crate::registry::{FunctionId, table};
use crate::sys::spawn_quiet;
use crate::wire::Payload;

/// How long to wait before another look at a message that there are no descriptors for.
const PAUSE: Duration = Duration::from_millis(10);

/// Those who have called, and where their replies go.
#[derive(Default)]
struct Clients(HashMap<u64, Replies>);

/// Opens a door to the actor; gives the sender that handles of it are written down with.
pub(super) fn open(pool: Arc<ActorPool>) -> io::Result<Sender<Request>> {
    let (sender, receiver) = bounded(MANY)?;
    spawn_quiet("parproc-actor", move || serve(&pool, &receiver))?;
    Ok(sender)
}

fn serve(pool: &Arc<ActorPool>, requests: &Receiver<Request>) {
    let mut clients = Clients::default();
    loop {
        match requests.recv() {
            Ok(request) => clients.serve(pool, request),
            Err(RecvError::Disconnected) => return,
            // The message stays until this process can have its descriptors.
            Err(RecvError::Failed(error)) if error.system_error().is_some() => {
                std::thread::sleep(PAUSE);
            }
            // Whoever wrote that is not one of ours.
            Err(RecvError::Failed(_)) => {}
        }
    }
}

impl Clients {
    fn serve(&mut self, pool: &Arc<ActorPool>, request: Request) {
        match request {
            Request::Hello { client, replies } => {
                // A good time to look who is gone.
                self.0.retain(|_, replies| replies.are_heard());
                self.0.insert(client, Replies::new(replies));
            }
            Request::Call {
                client,
                call,
                function,
                arguments: Blob(bytes),
                named: Named(objects),
            } => {
                let function = FunctionId(function);
                let replies = self.0.get(&client).cloned();
                if table().is_ok_and(|table| table.get(function).is_some()) {
                    let payload = Payload::from_encoded(bytes, objects);
                    pool.forward(function, payload, move |outcome| {
                        reply(replies, call, outcome.into());
                    });
                }
            }
            Request::Order {
                client,
                call,
                order,
            } => {
                let replies = self.0.get(&client).cloned();
                match order {
                    Order::Status => reply(replies, call, Answer::Status(status(pool))),
                    Order::Shutdown | Order::Kill => {
                        let pool = Arc::clone(pool);
                        // Others may call meanwhile, and are refused.
                        let end = move || {
                            let outcome = if order == Order::Kill {
                                pool.kill();
                                Ok(())
                            } else {
                                pool.shutdown()
                            };
                            let answer = match outcome {
                                Ok(()) => Answer::Status(status(&pool)),
                                Err(error) => Answer::refusal(&error),
                            };
                            reply(replies, call, answer);
                        };
                        // Without a thread nobody is answered before the door closes.
                        let _ = spawn_quiet("parproc-actor-end", end);
                    }
                }
            }
        }
    }
}

pub(super) fn status(pool: &ActorPool) -> Status {
    Status {
        is_alive: pool.is_alive(),
        pid: pool.pid(),
        restarts: pool.restarts(),
    }
}

/// Replies to a client, unless that is gone.
fn reply(replies: Option<Replies>, call: u64, answer: Answer) {
    if let Some(replies) = replies {
        replies.send(Reply { call, answer });
    }
}

//! Replies on their way to one client, which may be slow, or stopped: nobody else waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::message::{Answer, Reply};
use crate::channel::{SendError, Sender, TrySendError};
use crate::error::Error;
use crate::sys::spawn_quiet;

/// Where the replies to a client go.
#[derive(Debug, Clone)]
pub(super) struct Replies(Arc<Way>);

#[derive(Debug)]
struct Way {
    sender: Sender<Reply>,
    /// Those that its channel has no room for yet; while there are some, a thread sends them.
    late: Mutex<Option<VecDeque<Reply>>>,
}

impl Replies {
    pub(super) fn new(sender: Sender<Reply>) -> Self {
        Self(Arc::new(Way {
            sender,
            late: Mutex::default(),
        }))
    }

    /// True unless the client is gone.
    pub(super) fn are_heard(&self) -> bool {
        let answer = Answer::Nothing;
        let sent = self.0.sender.try_send(Reply { call: 0, answer });
        !sent.is_err_and(|error| error.is_disconnected())
    }

    /// Replies, now or later, unless the client is gone.
    pub(super) fn send(&self, reply: Reply) {
        let mut late = self.0.late();
        if let Some(late) = &mut *late {
            late.push_back(reply);
            return;
        }
        match self.0.sender.try_send(reply) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Failed(reply, error)) => self.0.refuse(reply.call, &error),
            Err(TrySendError::Full(reply)) => {
                *late = Some(VecDeque::from([reply]));
                let way = Arc::clone(&self.0);
                if let Err(error) = spawn_quiet("parproc-late", move || way.send_late()) {
                    for reply in late.take().into_iter().flatten() {
                        self.0.refuse(reply.call, &error);
                    }
                }
            }
        }
    }
}

impl Way {
    fn late(&self) -> MutexGuard<'_, Option<VecDeque<Reply>>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is late, until nothing is.
    fn send_late(&self) {
        while let Some(reply) = self.next() {
            match self.sender.send(reply) {
                Ok(()) | Err(SendError::Disconnected(_)) => {}
                Err(SendError::Failed(reply, error)) => self.refuse(reply.call, &error),
            }
        }
    }

    fn next(&self) -> Option<Reply> {
        let mut late = self.late();
        let next = late.as_mut().and_then(VecDeque::pop_front);
        if next.is_none() {
            *late = None;
        }
        next
    }

    /// The reply cannot be sent as it is: for want of descriptors or memory.
    fn refuse(&self, call: u64, error: &dyn std::error::Error) {
        let refusal = Error::os_text("a result could not be sent", error.to_string());
        let answer = Answer::refusal(&refusal);
        // It has no handles, so there is room for it.
        let _ = self.sender.try_send(Reply { call, answer });
    }
}

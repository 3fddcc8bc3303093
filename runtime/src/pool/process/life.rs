//! What becomes of a process, as its handle, its link and the supervisor know it.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::Exit;

/// One process from the request for its start to its end.
///
/// It has a lock of its own, which may be taken under that of the pool and never the other way round.
#[derive(Debug)]
pub(in crate::pool) struct Life {
    pub(in crate::pool) name: Option<String>,
    events: Mutex<Events>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Events {
    start: Option<Result<Started>>,
    end: Option<Exit>,
}

/// What is known of a process once it is started.
#[derive(Debug, Clone)]
pub(in crate::pool) struct Started {
    /// Of its link.
    pub(in crate::pool) id: u64,
    pub(in crate::pool) pid: u32,
    pub(in crate::pool) descriptor: Arc<OwnedFd>,
}

impl Life {
    pub(super) fn new(name: Option<String>) -> Self {
        Self {
            name,
            events: Mutex::default(),
            news: Condvar::new(),
        }
    }

    /// What an error calls the process.
    pub(in crate::pool) fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("process `{name}`"),
            None => "a process of its own".to_owned(),
        }
    }

    pub(super) fn wait_for_start(&self) -> Result<Started> {
        let starting = |events: &mut Events| events.start.is_none();
        let events = self.news.wait_while(self.events(), starting);
        match &events.unwrap_or_else(PoisonError::into_inner).start {
            Some(Ok(started)) => Ok(started.clone()),
            Some(Err(error)) => Err(error.again()),
            None => Err(Error::new(ErrorKind::Closed)),
        }
    }

    /// How it ended, if it has.
    pub(in crate::pool) fn end(&self) -> Option<Exit> {
        self.events().end
    }

    pub(super) fn wait_for_end(&self) -> Option<Exit> {
        let running = |events: &mut Events| events.end.is_none();
        let events = self.news.wait_while(self.events(), running);
        events.unwrap_or_else(PoisonError::into_inner).end
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side that knows: nobody waits for a life that is kept no more.
#[derive(Debug)]
pub(in crate::pool) struct Teller {
    pub(in crate::pool) life: Arc<Life>,
    /// The key of its call.
    pub(in crate::pool) call: usize,
}

impl Teller {
    pub(super) fn started(&self, started: Started) {
        self.tell(|events| events.start = Some(Ok(started)));
    }

    pub(super) fn failed(&self, error: Error) {
        self.tell(|events| events.start = Some(Err(error)));
    }

    pub(in crate::pool) fn ended(&self, exit: Exit) {
        self.tell(|events| events.end = Some(exit));
    }

    fn tell(&self, change: impl FnOnce(&mut Events)) {
        change(&mut self.life.events());
        self.life.news.notify_all();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(|events| {
            events
                .start
                .get_or_insert_with(|| Err(Error::new(ErrorKind::Closed)));
            events.end.get_or_insert(Exit::Unknown);
        });
    }
}

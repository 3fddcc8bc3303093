//! An actor in the process that started it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::door;
use super::message::Request;
use crate::channel::Sender;
use crate::error::Result;
use crate::pool::{ActorPool, Plan};

/// What the owner's handles share. With the last of them goes the sender, and so, unless there are handles in
/// other processes, the door.
#[derive(Debug)]
pub(super) struct Here {
    pub(super) pool: Arc<ActorPool>,
    door: Mutex<Option<Sender<Request>>>,
}

/// Those with a door: a handle that comes back is one of them.
static DOORS: Mutex<Vec<(u64, Weak<Here>)>> = Mutex::new(Vec::new());

fn doors() -> MutexGuard<'static, Vec<(u64, Weak<Here>)>> {
    DOORS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Here {
    pub(super) fn start(plan: Plan) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            pool: Arc::new(ActorPool::start(plan)?),
            door: Mutex::default(),
        }))
    }

    /// The actor of this process that has this door, if a handle of it is left here.
    pub(super) fn with_door(id: u64) -> Option<Arc<Self>> {
        let doors = doors();
        let (_, here) = doors.iter().find(|(door, _)| *door == id)?;
        here.upgrade()
    }

    /// What handles in other processes send their calls to.
    pub(super) fn door(self: &Arc<Self>) -> io::Result<Sender<Request>> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*door {
            return Ok(sender.clone());
        }
        let sender = door::open(Arc::clone(&self.pool))?;
        let mut doors = doors();
        doors.retain(|(_, here)| here.strong_count() > 0);
        doors.push((sender.id(), Arc::downgrade(self)));
        Ok(door.insert(sender).clone())
    }
}

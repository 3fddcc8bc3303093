//! A handle of an actor, whatever its type.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::door::status;
use super::here::Here;
use super::line::Line;
use super::message::{Order, Request, Status};
use crate::channel::Sender;
use crate::error::Result;
use crate::pool::{ActorCall, Desk, Plan, Task};
use crate::wire::Output;

/// A handle of an actor without the methods of its type: what the generated handles stand on.
///
/// Those dereference to it, so all this is there on them too. If the type has a method of the same name, that
/// goes before: `Actor::kill(&handle)` is always this one.
///
/// Clones are handles of the same actor, and so is what comes of a handle in another process. Dropping the last
/// one ends the actor when it is done with the calls that were made: its state is dropped, and its process
/// ends.
///
/// ```
/// use parproc::parallel;
///
/// struct Counter(u64);
///
/// #[parallel]
/// impl Counter {
///     fn new() -> Self {
///         Counter(0)
///     }
///
///     fn add(&mut self, n: u64) -> u64 {
///         if n == 13 {
///             std::process::abort();
///         }
///         self.0 += n;
///         self.0
///     }
/// }
///
/// let counter = Counter::spawn()?;
/// counter.add(5).join()?;
/// assert!(counter.is_alive() && counter.pid().is_some());
/// assert_eq!(counter.restarts(), 0);
/// counter.shutdown()?;
/// assert!(!counter.is_alive());
/// assert!(counter.add(1).join().is_err());
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "dropping the last handle ends the actor"]
pub struct Actor(Place);

/// Where the actor is.
#[derive(Clone)]
enum Place {
    /// This process has started it.
    Here(Arc<Here>),
    /// Another one has.
    Away(Away),
}

#[derive(Clone)]
struct Away {
    door: Sender<Request>,
    line: Arc<Line>,
    desk: Desk,
}

/// The handles that `#[parallel]` makes for an `impl` block.
pub trait Handle: From<Actor> + Deref<Target = Actor> {}

impl Actor {
    pub(super) fn start(plan: Plan) -> Result<Self> {
        Here::start(plan).map(|here| Self(Place::Here(here)))
    }

    pub(super) fn submit<R: Output>(&self, call: ActorCall) -> Task<R> {
        match &self.0 {
            Place::Here(here) => here.pool.submit(call),
            Place::Away(Away { door, line, desk }) => line.call(*desk, door, call),
        }
    }

    /// True until the actor is dead for good, or was ended. While it is started again it counts as alive.
    ///
    /// In a process that did not start the actor this, [`pid`](Self::pid) and [`restarts`](Self::restarts) ask
    /// the one that did.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.status().is_alive
    }

    /// The id of the actor's process; none while there is none, since it is dead or being started again.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.status().pid
    }

    /// How often the actor was started again, or is about to be.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.status().restarts
    }

    /// Takes no more calls, waits until those that were made are done, and ends the actor: its state is
    /// dropped, which may take two seconds, and its process is gone when this returns.
    ///
    /// Tasks keep their results. Calls of other handles fail from now on.
    ///
    /// # Errors
    /// When the actor is dead, or was shut down or killed before.
    pub fn shutdown(&self) -> Result<()> {
        match &self.0 {
            Place::Here(here) => here.pool.shutdown(),
            Place::Away(Away { door, line, .. }) => line.order(door, Order::Shutdown).map(drop),
        }
    }

    /// Ends the actor at once, whatever it does; its process is gone when this returns, and its state was
    /// not dropped.
    ///
    /// Calls that are not done fail with an error for which [`Error::is_cancelled`](crate::Error::is_cancelled)
    /// is true.
    pub fn kill(&self) {
        match &self.0 {
            Place::Here(here) => here.pool.kill(),
            Place::Away(Away { door, line, .. }) => {
                // An error says that it is gone with its owner.
                let _ = line.order(door, Order::Kill);
            }
        }
    }

    fn status(&self) -> Status {
        match &self.0 {
            Place::Here(here) => status(&here.pool),
            // Gone with its owner.
            Place::Away(Away { door, line, .. }) => {
                line.order(door, Order::Status).unwrap_or_default()
            }
        }
    }

    /// The type of its state.
    fn name(&self) -> &str {
        match &self.0 {
            Place::Here(here) => here.pool.name(),
            Place::Away(Away { line, .. }) => line.actor(),
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Actor");
        shown.field("type", &self.name());
        if let Place::Here(here) = &self.0 {
            shown.field("pid", &here.pool.pid());
        }
        shown.finish_non_exhaustive()
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let door = match &self.0 {
            Place::Here(here) => &here.door().map_err(ser::Error::custom)?,
            Place::Away(Away { door, .. }) => door,
        };
        (self.name(), door).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, door): (String, Sender<Request>) = Deserialize::deserialize(deserializer)?;
        if let Some(here) = Here::with_door(door.id()) {
            return Ok(Self(Place::Here(here)));
        }
        Ok(Self(Place::Away(Away {
            desk: Desk::get().map_err(de::Error::custom)?,
            line: Line::of(&door, &name),
            door,
        })))
    }
}

/// Reads a handle of an actor whose state is a `T`.
///
/// # Errors
/// When it is one of another type.
pub fn handle_of<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<Actor, D::Error> {
    let actor = Actor::deserialize(deserializer)?;
    let wanted = std::any::type_name::<T>();
    if actor.name() == wanted {
        return Ok(actor);
    }
    Err(de::Error::custom(format_args!(
        "a handle of an actor `{}`, and not `{wanted}`",
        actor.name()
    )))
}

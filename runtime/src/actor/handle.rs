//! A handle of an actor, whatever its type.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::Result;
use crate::pool::{ActorCall, ActorPool, Plan, Task};
use crate::wire::Output;

/// A handle of an actor without the methods of its type: what the generated handles stand on.
///
/// Those dereference to it, so all this is there on them too. If the type has a method of the same name, that
/// goes before: `Actor::kill(&handle)` is always this one.
///
/// Clones are handles of the same actor. Dropping the last one ends the actor when it is done with the calls
/// that were made: its state is dropped, and its process ends.
#[derive(Clone)]
#[must_use = "dropping the last handle ends the actor"]
pub struct Actor {
    inner: Arc<ActorPool>,
}

/// The handles that `#[parallel]` makes for an `impl` block.
pub trait Handle: From<Actor> + Deref<Target = Actor> {}

impl Actor {
    pub(super) fn start(plan: Plan) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(ActorPool::start(plan)?),
        })
    }

    /// Begins a call of the function that is registered under `F`.
    pub(super) fn begin<F: 'static>(&self) -> ActorCall {
        ActorCall::new::<F>()
    }

    pub(super) fn submit<R: Output>(&self, call: ActorCall) -> Task<R> {
        self.inner.submit(call)
    }

    /// True until the actor is dead for good, or was ended. While it is started again it counts as alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.inner.is_alive()
    }

    /// The id of the actor's process; none while there is none, since it is dead or being started again.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.inner.pid()
    }

    /// How often the actor was started again, or is about to be.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.inner.restarts()
    }

    /// Takes no more calls, waits until those that were made are done, and ends the actor: its state is
    /// dropped, which may take two seconds, and its process is gone when this returns.
    ///
    /// Tasks keep their results. Calls of other handles fail from now on.
    ///
    /// # Errors
    /// When the actor is dead, or was shut down or killed before.
    pub fn shutdown(&self) -> Result<()> {
        self.inner.shutdown()
    }

    /// Ends the actor at once, whatever it does; its process is gone when this returns, and its state was
    /// not dropped.
    ///
    /// Calls that are not done fail with an error for which [`Error::is_cancelled`](crate::Error::is_cancelled)
    /// is true.
    pub fn kill(&self) {
        self.inner.kill();
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("type", &self.inner.name())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

//! Pools whose only worker is an actor: it has a state, which its init function makes, and which is lost
//! with it.
//!
//! So what differs from other pools is what a death means: calls that were not begun are not simply given to
//! the next worker, and whether there is one is a matter of the [rules](ActorSetup). Order needs nothing:
//! the chunks of one worker are run in the order in which they were handed in.

mod call;
mod desk;
mod end;
mod forward;
mod host;
mod life;
mod setup;

pub(crate) use call::ActorCall;
pub(crate) use desk::{Desk, Ticket};
pub(crate) use forward::{Outcome, Value};
pub(crate) use host::{ActorPool, Plan};
pub(super) use life::ActorState;
pub(super) use setup::ActorSetup;

//! What a generated method does: one call, argument by argument.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use super::{Actor, ActorBuilder, Handle};
use crate::pool::{ActorCall, Plan, Task};
use crate::registry::{Maker, Method};
use crate::wire::Output;

/// A call in the making.
#[must_use = "it is not made before it is sent"]
pub struct Call<'a> {
    actor: &'a Actor,
    call: ActorCall,
}

/// Begins a call of a method, by its item.
pub fn call<F: 'static>(actor: &Actor, _method: F) -> Call<'_> {
    Call {
        actor,
        call: ActorCall::new::<Method<F>>(),
    }
}

impl Call<'_> {
    /// Adds the next argument.
    pub fn argument<T: Serialize>(mut self, argument: T) -> Self {
        self.call.argument(argument);
        self
    }

    /// Makes the call.
    pub fn send<R: Output>(self) -> Task<R> {
        self.actor.submit(self.call)
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// Begins the start of an actor, by the item of a constructor.
pub fn build<T: 'static, F: 'static, H: Handle>(_constructor: F) -> ActorBuilder<H> {
    ActorBuilder {
        plan: Plan::new::<Maker<F>>(std::any::type_name::<T>()),
        marker: PhantomData,
    }
}

//! What the functions of an actor are found by: types that no user of the functions themselves has.

use std::any::{TypeId, type_name};
use std::marker::PhantomData;

use super::Identity;

/// A method, which can only be called where its actor's state is.
#[derive(Debug)]
pub struct Method<F>(PhantomData<fn() -> F>);

/// A function that makes the state, and leaves it in its worker.
#[derive(Debug)]
pub struct Maker<F>(PhantomData<fn() -> F>);

/// The identity of an actor's method, from its item.
pub fn method<F: 'static>(_function: &F) -> Identity {
    Identity {
        type_id: TypeId::of::<Method<F>>(),
        type_name: type_name::<F>(),
    }
}

/// The identity of what makes an actor's state, from the item of the constructor.
pub fn maker<F: 'static>(_function: &F) -> Identity {
    Identity {
        type_id: TypeId::of::<Maker<F>>(),
        // The constructor itself is registered by its own name.
        type_name: type_name::<Maker<F>>(),
    }
}

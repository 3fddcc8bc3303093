//! What `#[parallel]` leaves behind for one function.

use std::any::{TypeId, type_name};
use std::fmt;

use super::Limits;
use crate::wire::Items;

/// One registered function, or one listed instance of a generic one.
pub struct Registration {
    name: Option<&'static str>,
    identity: fn() -> Identity,
    pub(crate) signature: &'static str,
    pub(super) file: &'static str,
    pub(super) line: u32,
    pub(crate) arguments: usize,
    /// Calls it with each of some items.
    pub(crate) call: fn(&mut Items<'_, '_>),
    pub(super) limits: Limits,
    /// It is ours to call, and in no list for users.
    pub(super) hidden: bool,
}

inventory::collect!(Registration);

/// What tells a function from all others: the type of its item.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub(super) type_id: TypeId,
    pub(super) type_name: &'static str,
}

/// The identity of a function, from its item.
pub fn identity<F: 'static>(_function: &F) -> Identity {
    Identity {
        type_id: TypeId::of::<F>(),
        type_name: type_name::<F>(),
    }
}

impl Registration {
    /// Describes a function; called by the expansion of `#[parallel]`.
    #[must_use]
    pub const fn new(
        name: Option<&'static str>,
        identity: fn() -> Identity,
        signature: &'static str,
        file: &'static str,
        line: u32,
        arguments: usize,
        call: fn(&mut Items<'_, '_>),
    ) -> Self {
        Self {
            name,
            identity,
            signature,
            file,
            line,
            arguments,
            call,
            limits: Limits {
                timeout_nanos: None,
                memory: None,
                retries: None,
                memory_growth: None,
            },
            hidden: false,
        }
    }

    /// Sets how long one call may take.
    #[must_use]
    pub const fn timeout_nanos(mut self, nanos: u64) -> Self {
        self.limits.timeout_nanos = Some(nanos);
        self
    }

    /// Sets how many bytes a worker may use.
    #[must_use]
    pub const fn memory_limit(mut self, bytes: u64) -> Self {
        self.limits.memory = Some(bytes);
        self
    }

    /// Sets how many further attempts there are after a failure.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.limits.retries = Some(retries);
        self
    }

    /// Sets what the memory limit is multiplied by before another attempt.
    #[must_use]
    pub const fn memory_growth(mut self, factor: f64) -> Self {
        self.limits.memory_growth = Some(factor);
        self
    }

    /// Keeps it out of the list of functions.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) fn identity(&self) -> Identity {
        (self.identity)()
    }

    /// The name that was given, or the path of the function's item.
    pub(crate) fn name(&self) -> &'static str {
        self.name.unwrap_or_else(|| self.identity().type_name)
    }

    /// Where the function is written.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("name", &self.name())
            .field("signature", &self.signature)
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

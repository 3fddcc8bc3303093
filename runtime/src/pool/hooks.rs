//! Functions that the pool itself calls in each worker: one when it starts, one when it ends.
//!
//! Each call is a chunk of one item like any other, with a key that no call of a user has. The init
//! function is the first chunk of a worker, which is given no other one before it is done. What it
//! returned is the user's type, so the supervisor decodes it, not under the lock.

mod inline;
#[cfg(feature = "mpi")]
mod node;
mod start;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::chunk::{Chunk, Delivery};
use super::results::{open_large, open_record};
use super::rules::Rules;
use super::setup::Setup;
use crate::error::{Error, ErrorKind, Failure, Result, TaskError};
use crate::object::Object;
use crate::registry::{Encoder, Function, FunctionId, Table};
use crate::wire::{Landing, MakeLanding, Output, Payload, Records, Recycled, landing};

pub(super) use start::Progress;

/// The key of the call of the init function.
pub(super) const INIT: usize = usize::MAX;
/// The key of the call of the exit function.
const EXIT: usize = INIT - 1;

/// How long the init function may take unless something is said about it.
const INIT_LIMIT: Duration = Duration::from_secs(60);

/// What an [`init`](crate::PoolBuilder::init) function can return: nothing, or a `Result<(), E>` whose
/// error can be shown.
#[diagnostic::on_unimplemented(
    message = "a function that returns `{Self}` cannot be the `init` function of a pool",
    note = "it returns nothing, or a `Result<(), E>` with an `E` that implements `Display`"
)]
pub trait InitOutput: Output {
    /// Why it failed, if it did.
    #[doc(hidden)]
    fn failure(self) -> Option<String>;
}

impl InitOutput for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Display> InitOutput for Result<(), E>
where
    Self: Output,
{
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// An init function as the builder knows it.
#[derive(Debug, Clone)]
pub(super) struct InitHook {
    find: Find,
    arguments: Result<Encoded, Failure>,
    landing: MakeLanding,
    open: fn(&'static str, Delivery) -> Result<(), Failed>,
}

/// The arguments of an init function, and what they name.
#[derive(Debug, Clone)]
struct Encoded {
    bytes: Arc<[u8]>,
    objects: Arc<[Arc<Object>]>,
}

/// An exit function as the builder knows it.
#[derive(Debug, Clone)]
pub(super) struct ExitHook {
    find: Find,
}

/// How a function is found in the table.
#[derive(Debug, Clone, Copy)]
enum Find {
    ByType(fn(&Table) -> Result<FunctionId>),
    #[cfg(feature = "mpi")]
    Known(FunctionId),
}

impl Find {
    fn find(self, table: &Table) -> Result<FunctionId> {
        match self {
            Find::ByType(find) => find(table),
            #[cfg(feature = "mpi")]
            Find::Known(function) => Ok(function),
        }
    }
}

/// Why the init function failed.
#[derive(Debug)]
struct Failed {
    reason: String,
    source: Option<TaskError>,
    /// The record of what it returned, where its type is not known.
    #[cfg(feature = "mpi")]
    said: Option<Vec<u8>>,
}

impl Failed {
    fn because(reason: String) -> Self {
        Self {
            reason,
            source: None,
            #[cfg(feature = "mpi")]
            said: None,
        }
    }
}

impl InitHook {
    pub(super) fn new<F, A, M>(arguments: A) -> Self
    where
        F: Function<A, M>,
        F::Output: InitOutput,
    {
        let mut payload = Payload::default();
        let encoded = F::encode(arguments, Encoder(&mut payload));
        Self {
            find: Find::ByType(Table::find::<F>),
            arguments: encoded.map(|()| Encoded {
                bytes: payload.whole().into(),
                objects: payload.objects().into(),
            }),
            landing: landing::<F::Output>,
            open: open::<F::Output>,
        }
    }
}

impl InitHook {
    /// One whose arguments are encoded already.
    pub(super) fn of<F: 'static, R: InitOutput>(arguments: &Payload) -> Self {
        Self {
            find: Find::ByType(Table::find::<F>),
            arguments: Ok(Encoded {
                bytes: arguments.whole().into(),
                objects: arguments.objects().into(),
            }),
            landing: landing::<R>,
            open: open::<R>,
        }
    }
}

impl ExitHook {
    pub(super) fn new<F: 'static>() -> Self {
        Self {
            find: Find::ByType(Table::find::<F>),
        }
    }
}

/// What the init function said.
fn open<R: InitOutput>(name: &'static str, delivery: Delivery) -> Result<(), Failed> {
    let opened = match delivery {
        Delivery::Records {
            origin,
            bytes,
            objects: _named,
            ..
        } => match Records(&bytes).next() {
            Some((status, value)) => open_record::<R>(name, 0, origin, status, value),
            None => return Ok(()),
        },
        Delivery::Large {
            origin,
            landing,
            objects: _named,
            ..
        } => open_large::<R>(name, 0, origin, landing),
        // Nothing else comes from a worker.
        _ => return Ok(()),
    };
    match opened.map(InitOutput::failure) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(Failed::because(reason)),
        Err(error) => Err(error.into()),
    }
}

impl From<TaskError> for Failed {
    fn from(error: TaskError) -> Self {
        Self {
            source: Some(error.clone()),
            ..Self::because(error.reason())
        }
    }
}

/// The functions of a pool, found in the table.
#[derive(Debug)]
pub(super) struct Hooks {
    init: Option<Init>,
    exit: Option<FunctionId>,
    inline: inline::Life,
}

#[derive(Debug)]
struct Init {
    function: FunctionId,
    name: &'static str,
    arguments: Arc<[u8]>,
    /// What they name, as long as there may be another worker.
    named: Mutex<Arc<[Arc<Object>]>>,
    rules: Arc<Rules>,
    landing: MakeLanding,
    open: fn(&'static str, Delivery) -> Result<(), Failed>,
}

impl Chunk {
    /// True for a call that no user made.
    pub(super) fn is_hook(&self) -> bool {
        self.call >= EXIT
    }
}

impl Hooks {
    /// Fails when a function is not registered, or an argument cannot be encoded.
    pub(super) fn new(setup: &Setup, table: &Table) -> Result<Self> {
        let init = setup
            .init
            .as_ref()
            .map(|hook| Init::new(hook, setup, table));
        let exit = setup.exit.as_ref().map(|hook| hook.find.find(table));
        Ok(Self {
            init: init.transpose()?,
            exit: exit.transpose()?,
            inline: inline::Life::default(),
        })
    }

    pub(super) fn has_init(&self) -> bool {
        self.init.is_some()
    }

    /// The init function and its arguments, if there is one.
    pub(super) fn init(&self) -> Option<(FunctionId, &[u8])> {
        let init = self.init.as_ref()?;
        Some((init.function, &init.arguments))
    }

    /// The rules of the init function.
    pub(super) fn rules(&self) -> Option<Arc<Rules>> {
        self.init.as_ref().map(|init| Arc::clone(&init.rules))
    }

    /// Makes room for a large result of the init function.
    pub(super) fn landing(
        &self,
        call: usize,
        len: usize,
        recycled: &mut Recycled,
    ) -> Option<Box<dyn Landing>> {
        match call {
            INIT => (self.init.as_ref()?.landing)(len, recycled),
            // What it returns is not looked at.
            EXIT => landing::<()>(len, recycled),
            _ => None,
        }
    }

    /// The first chunk of a worker, if there is an init function.
    pub(super) fn init_chunk(&self) -> Option<Chunk> {
        self.init.as_ref().map(Init::chunk)
    }

    /// There will be no other worker: gives up what the arguments of the init function name.
    pub(super) fn let_go(&self) {
        if let Some(init) = &self.init {
            // Dropped when nothing is locked.
            let named = std::mem::take(&mut *init.named());
            drop(named);
        }
    }

    fn exit_chunk(&self) -> Option<Chunk> {
        Some(Chunk::single(EXIT, self.exit?, Payload::default()))
    }
}

impl Init {
    fn new(hook: &InitHook, setup: &Setup, table: &Table) -> Result<Self> {
        let function = hook.find.find(table)?;
        let name = table.name(function);
        let limits = table.limits(function);
        let of_attribute = limits.timeout_nanos.map(Duration::from_nanos);
        let rules = Rules {
            timeout: setup.init_timeout.or(of_attribute).or(Some(INIT_LIMIT)),
            memory: limits.memory.or(setup.rules.memory),
            ..Rules::default()
        };
        let arguments = hook.arguments.clone().map_err(|failure| {
            let failed = TaskError::failed(name, 0, None, failure);
            Failed::from(failed).into_error(name)
        });
        let Encoded { bytes, objects } = arguments?;
        Ok(Self {
            function,
            name,
            arguments: bytes,
            named: Mutex::new(objects),
            rules: Arc::new(rules),
            landing: hook.landing,
            open: hook.open,
        })
    }

    fn chunk(&self) -> Chunk {
        Chunk::single(
            INIT,
            self.function,
            Payload::from_encoded(self.arguments.to_vec(), self.named().to_vec()),
        )
    }

    fn named(&self) -> MutexGuard<'_, Arc<[Arc<Object>]>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the function said: runs the user's code.
    fn open(&self, answer: Delivery) -> Result<(), Failed> {
        catch_unwind(AssertUnwindSafe(|| (self.open)(self.name, answer))).unwrap_or_else(|panic| {
            // The value of a panic is the user's, and can panic once more when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
            Err(Failed::because(
                "its error panicked while it was read".to_owned(),
            ))
        })
    }
}

impl Failed {
    /// As the error of an actor whose state it was to make.
    fn into_actor_error(self, actor: &str) -> Error {
        let Self { reason, source, .. } = self;
        Error::new(ErrorKind::ActorStart {
            actor: actor.to_owned(),
            reason,
            source,
        })
    }

    fn into_error(self, function: &str) -> Error {
        let Self { reason, source, .. } = self;
        Error::new(ErrorKind::Init {
            function: function.to_owned(),
            reason,
            source,
        })
    }
}

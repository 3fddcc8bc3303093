//! An actor of this process, as its handles see it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::super::Pool;
use super::super::chunk::Ending;
use super::super::hooks::InitHook;
use super::super::keep::folder;
use super::super::output::Output;
use super::super::rules::Backoff;
use super::super::setup::Setup;
use super::super::state::{Phase, State};
use super::end::remember;
use super::setup::ActorSetup;
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::wire::{Payload, encode_argument};

/// What an actor is started with.
#[derive(Debug)]
pub(crate) struct Plan {
    setup: Setup,
    actor: ActorSetup,
    /// For each start.
    arguments: Result<Payload, Failure>,
    init: fn(&Payload) -> InitHook,
}

impl Plan {
    /// A state of the type `name` that the function makes that is registered under `F`.
    pub(crate) fn new<F: 'static>(name: &'static str) -> Self {
        Self {
            setup: Setup {
                one_each: true,
                ..Setup::default()
            },
            actor: ActorSetup::new(name),
            arguments: Ok(Payload::default()),
            init: InitHook::of::<F, Result<(), String>>,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.actor.name
    }

    pub(crate) fn argument<T: Serialize>(&mut self, argument: T) {
        if let Ok(payload) = &mut self.arguments
            && let Err(failure) = encode_argument(argument, payload)
        {
            self.arguments = Err(failure);
        }
    }

    pub(crate) fn max_restarts(&mut self, restarts: u32) {
        self.actor.max_restarts = restarts;
    }

    pub(crate) fn restart_window(&mut self, window: Duration) {
        self.actor.window = Some(window);
    }

    pub(crate) fn backoff(&mut self, backoff: Backoff) {
        self.actor.backoff = backoff;
    }

    pub(crate) fn keep_calls(&mut self, keep: bool) {
        self.actor.keeps_calls = keep;
    }

    pub(crate) fn timeout(&mut self, timeout: Duration) {
        self.setup.rules.timeout = Some(timeout);
    }

    pub(crate) fn memory_limit(&mut self, bytes: u64) {
        self.setup.rules.memory = Some(bytes);
    }

    pub(crate) fn start_timeout(&mut self, timeout: Duration) {
        self.setup.init_timeout = Some(timeout);
    }

    pub(crate) fn env(&mut self, key: OsString, value: OsString) {
        self.setup.environment.set(key, value);
    }

    pub(crate) fn env_remove(&mut self, key: OsString) {
        self.setup.environment.remove(key);
    }

    pub(crate) fn current_dir(&mut self, directory: PathBuf) {
        self.setup.directory = Some(directory);
    }

    pub(crate) fn outputs(&mut self) -> &mut [Output; 2] {
        &mut self.setup.outputs
    }

    pub(crate) fn crash_dir(&mut self, directory: PathBuf) {
        self.setup.crash_dir = Some(directory);
    }
}

/// An actor of this process; dropping it ends the actor when it is done with what it was asked to.
#[derive(Debug)]
pub(crate) struct ActorPool {
    pool: Pool,
    name: &'static str,
}

impl ActorPool {
    /// Starts an actor, and waits until its state is made.
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        let Plan {
            mut setup,
            actor,
            arguments,
            init,
        } = plan;
        let name = actor.name;
        let arguments = arguments.map_err(|failure| {
            Error::new(ErrorKind::ActorStart {
                actor: name.to_owned(),
                reason: failure.to_string(),
                source: None,
            })
        })?;
        setup.init = Some(init(&arguments));
        drop(arguments);
        let is_last = actor.max_restarts == 0;
        setup.actor = Some(actor);
        setup.check()?;
        setup.crash_dir = folder(setup.crash_dir);
        let this = Self {
            pool: Pool::start(1, setup)?,
            name,
        };
        this.pool.start_threads()?;
        remember(this.pool.shared());
        let shared = this.pool.shared();
        let mut state = shared.lock();
        state.wanted = 1;
        shared.notify.notify();
        let over = |state: &State| {
            state.actor.started || state.broken.is_some() || state.phase == Phase::Closed
        };
        let state = shared.wait_until(state, None, None, over).0;
        let outcome = match &state.broken {
            Some(error) if !state.actor.started => Err(error.again()),
            _ => Ok(()),
        };
        drop(state);
        if is_last {
            shared.hooks.let_go();
        }
        outcome.map(|()| this)
    }

    /// The type of its state.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// True until it is dead for good, or was ended.
    pub(crate) fn is_alive(&self) -> bool {
        let shared = self.pool.shared();
        let state = shared.lock();
        shared.check_fork().is_ok() && state.broken.is_none() && state.phase == Phase::Open
    }

    /// Its process, unless that is gone and the next one is not ready yet.
    pub(crate) fn pid(&self) -> Option<u32> {
        let state = self.pool.shared().lock();
        let mut links = state.links.iter();
        let link = links.find(|link| link.init.is_done() && link.doom.is_none())?;
        Some(link.pid)
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.pool.shared().lock().actor.restarts
    }

    /// Waits until it is done with what it was asked to, and gone.
    pub(crate) fn shutdown(&self) -> Result<()> {
        let outcome = self.pool.shutdown();
        outcome.map_err(|error| self.in_words_of_actors(error))
    }

    /// Ends it whatever it does.
    pub(crate) fn kill(&self) {
        let error = Error::new(ErrorKind::ActorKilled {
            actor: self.name.to_owned(),
        });
        self.pool.kill_as(Ending::ActorKilled, &error);
    }
}

impl Drop for ActorPool {
    fn drop(&mut self) {
        self.pool.end_actor();
    }
}

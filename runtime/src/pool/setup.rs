//! What a pool was built with.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::actor::ActorSetup;
use super::environment::Environment;
use super::events::Observing;
use super::hooks::{ExitHook, InitHook};
use super::output::Output;
use super::rules::Rules;
use super::seen::Seen;
use crate::error::{Error, Result};
use crate::wire::Levels;
use crate::worker::Orders;

/// The settings of a pool that hold for its whole life.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// What items may do unless their job or function says otherwise.
    pub(super) rules: Rules,
    /// After so many crashes the pool gives up.
    pub(super) crash_budget: Option<u32>,
    /// Who is told what happens.
    pub(super) observers: Vec<Observing>,
    /// What people look at.
    pub(super) seen: Seen,
    /// The times of items are kept for the statistics.
    pub(super) insights: bool,
    /// Lines of standard error that are kept for an error.
    pub(super) stderr_lines: usize,
    /// Where inputs of failed items are kept.
    pub(super) crash_dir: Option<PathBuf>,
    /// What becomes of what workers write to standard output and error.
    pub(super) outputs: [Output; 2],
    pub(super) lifespan: Lifespan,
    /// Workers that are kept ready besides those that work.
    pub(super) spares: usize,
    /// Workers are started for one call each, and not by the number of chunks.
    pub(super) one_each: bool,
    /// In a node's part of a pool, what rank 0 wants to hear of that hooks log.
    pub(super) levels: Option<Levels>,
    /// The variables and the folder that workers start with.
    pub(super) environment: Environment,
    pub(super) directory: Option<PathBuf>,
    /// What all workers do to themselves at their start.
    pub(super) orders: Orders,
    /// The numbers of workers, on a node; else they are as they are.
    pub(super) numbers: Vec<usize>,
    /// Each worker stays on one CPU.
    pub(super) pin_cpus: bool,
    /// The only worker is an actor.
    pub(super) actor: Option<ActorSetup>,
    pub(super) init: Option<InitHook>,
    pub(super) init_timeout: Option<Duration>,
    pub(super) exit: Option<ExitHook>,
}

/// When a worker is replaced though nothing is wrong with it; never where nothing is said.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Lifespan {
    /// Items that it runs at most.
    pub(super) items: Option<usize>,
    /// Bytes that it may have in use between two chunks.
    pub(super) memory: Option<u64>,
    pub(super) age: Option<Duration>,
    /// How long it may have nothing to do.
    pub(super) idle: Option<Duration>,
}

impl Lifespan {
    pub(super) fn check(&self) -> Result<()> {
        let zero = [
            (self.items == Some(0), "tasks"),
            (self.memory == Some(0), "bytes of memory"),
            (self.age == Some(Duration::ZERO), "seconds"),
            (self.idle == Some(Duration::ZERO), "idle seconds"),
        ];
        match zero.iter().find(|(zero, _)| *zero) {
            Some((_, unit)) => Err(Error::invalid(format!(
                "a worker's life of 0 {unit}: it would do nothing"
            ))),
            None => Ok(()),
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            crash_budget: None,
            observers: Vec::new(),
            seen: Seen::default(),
            insights: false,
            stderr_lines: 20,
            crash_dir: None,
            outputs: [Output::Inherit, Output::Tail],
            lifespan: Lifespan::default(),
            spares: 0,
            one_each: false,
            levels: None,
            environment: Environment::default(),
            directory: None,
            orders: Orders::default(),
            numbers: Vec::new(),
            pin_cpus: false,
            actor: None,
            init: None,
            init_timeout: None,
            exit: None,
        }
    }
}

impl Setup {
    /// Fails when a setting is out of range.
    pub(super) fn check(&self) -> Result<()> {
        self.rules.check()?;
        self.lifespan.check()?;
        self.environment.check()?;
        if let Some(actor) = &self.actor {
            actor.check()?;
        }
        if let Some(path) = &self.directory
            && (path.as_os_str().is_empty() || path.as_os_str().as_bytes().contains(&0))
        {
            return Err(Error::invalid(format!(
                "a working directory {path:?}: a path has at least one byte, and no NUL"
            )));
        }
        if self.init_timeout == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "a time limit of 0 for the init function: it needs some time to run",
            ));
        }
        if self.orders.cpu_time == Some(0) {
            return Err(Error::invalid(
                "a limit of 0 seconds of processor time: a worker needs at least 1",
            ));
        }
        if let Some(nice) = self.orders.nice
            && !(-20..=19).contains(&nice)
        {
            return Err(Error::invalid(format!(
                "a nice value of {nice}: it has to be from -20 to 19"
            )));
        }
        for (what, id) in [("user", self.orders.uid), ("group", self.orders.gid)] {
            if id == Some(u32::MAX) {
                let what = format!("{what} {}: for the system that number is none", u32::MAX);
                return Err(Error::invalid(what));
            }
        }
        Ok(())
    }
}

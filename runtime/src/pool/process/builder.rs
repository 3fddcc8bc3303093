//! Settings of a process.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::call::encode_single;
use super::super::chunk::Chunk;
use super::super::environment::Environment;
use super::super::logs::Context;
use super::super::rules::Rules;
use super::super::state::CallSpec;
use super::host::host;
use super::life::{Life, Teller};
use super::{Process, Start};
use crate::error::{Error, Result};
use crate::registry::{Function, FunctionId, table};
use crate::wire::{Numbering, Output, Payload, landing};

/// A [`Process`] in the making: [`Process::builder`].
///
/// ```
/// use std::time::Duration;
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn language() -> Option<String> {
///     std::env::var("LANG").ok()
/// }
///
/// let process = Process::builder(language, ())
///     .name("speaker")
///     .env("LANG", "C")
///     .timeout(Duration::from_secs(60))
///     .spawn()?;
/// assert_eq!(process.name(), Some("speaker"));
/// assert_eq!(process.join()?.as_deref(), Some("C"));
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use = "a builder does nothing before `spawn`"]
pub struct ProcessBuilder<R> {
    /// The function, and its arguments; or why there is none.
    call: Result<(FunctionId, Payload)>,
    name: Option<String>,
    environment: Environment,
    directory: Option<PathBuf>,
    rules: Rules,
    marker: PhantomData<fn() -> R>,
}

impl<R: Output> ProcessBuilder<R> {
    pub(super) fn new<F, A, M>(_function: F, arguments: A) -> Self
    where
        F: Function<A, M, Output = R>,
    {
        const {
            assert!(
                size_of::<F>() == 0,
                "only functions can be called in a process, no closures that capture"
            )
        };
        Self {
            call: encode::<F, A, M>(arguments),
            name: None,
            environment: Environment::default(),
            directory: None,
            rules: Rules {
                // One process, one call.
                retries: Some(0),
                ..Rules::default()
            },
            marker: PhantomData,
        }
    }

    /// Names the process, in errors and in lists of processes: `ps` and `top` show the first 15
    /// bytes as its command. Without it those show the name of the program.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets a variable in the process's environment, which is otherwise that of this program.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.set(key.into(), value.into());
        self
    }

    /// Removes a variable from the process's environment.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.environment.remove(key.into());
        self
    }

    /// Removes all variables; those that are set after this stay.
    ///
    /// With them goes what the program itself may need to be found and loaded, such as
    /// `LD_LIBRARY_PATH`.
    pub fn env_clear(mut self) -> Self {
        self.environment.clear();
        self
    }

    /// The process's working directory. One that is relative begins at this program's.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// How long the function may run. Then the process is killed, with all that it started, and
    /// [`TaskError::is_timeout`](crate::TaskError::is_timeout) is true of its error.
    ///
    /// When the function is done in time, exit handlers may take as long again before the process
    /// is killed; the result stays valid. It goes before `#[parallel(timeout = "…")]`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.rules.timeout = Some(timeout);
        self
    }

    /// How much memory the process, and all that it started, may use, in bytes. When they use more it
    /// is killed, and [`TaskError::is_memory`](crate::TaskError::is_memory) is true of its error.
    ///
    /// [`PoolBuilder::memory_limit`](crate::PoolBuilder::memory_limit) says what is counted. It goes
    /// before `#[parallel(memory_limit = "…")]`.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.rules.memory = Some(bytes);
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When the function is not registered, the arguments could not be encoded, a setting is out of
    /// range, or the operating system refuses the process: there is no such working directory, say,
    /// or no descriptor left. [`Error::is_start`] is true of the last.
    pub fn spawn(self) -> Result<Process<R>> {
        let Self {
            call,
            name,
            environment,
            directory,
            rules,
            ..
        } = self;
        let (function, payload) = call?;
        environment.check()?;
        let has_nul = |text: &[u8]| text.contains(&0);
        if name.as_ref().is_some_and(|name| has_nul(name.as_bytes())) {
            return Err(Error::invalid(format!(
                "the name {name:?} of a process has a NUL byte"
            )));
        }
        if let Some(path) = &directory
            && has_nul(path.as_os_str().as_encoded_bytes())
        {
            return Err(Error::invalid(format!(
                "the working directory {path:?} of a process has a NUL byte"
            )));
        }
        let pool = host()?;
        pool.start_threads()?;
        let shared = pool.shared();
        let rules = shared.rules(function, rules)?;
        let unlimited = rules.is_none();
        let spec = CallSpec {
            rules,
            context: Context::capture(),
            ..CallSpec::of(function, landing::<R>)
        };
        let key = shared.open_call(spec, None)?;
        let life = Arc::new(Life::new(name));
        let started = shared.request_start(Start {
            teller: Teller {
                life: Arc::clone(&life),
                call: key,
            },
            chunk: Chunk {
                numbering: Numbering::Tasks,
                ..Chunk::single(key, function, payload)
            },
            environment: environment.apply(),
            directory,
            unlimited,
        });
        match started.and_then(|()| life.wait_for_start()) {
            Ok(started) => Ok(Process::new(shared, function, key, life, started)),
            Err(error) => {
                shared.lock().detach_call(key, false);
                Err(error)
            }
        }
    }
}

fn encode<F, A, M>(arguments: A) -> Result<(FunctionId, Payload)>
where
    F: Function<A, M>,
{
    let table = table()?;
    let function = table.find::<F>()?;
    let payload = encode_single::<F, A, M>(table.name(function), arguments, Vec::new())?;
    Ok((function, payload))
}

impl<R> fmt::Debug for ProcessBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessBuilder")
            .field("name", &self.name)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

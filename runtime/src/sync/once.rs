//! Something that one of many processes does once.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::home::{Home, State};
use super::raw::{self, RawLock};
use crate::object::PAYLOAD;
use crate::sys::Mapping;

/// What it consists of in a process: a lock, which is held while the function runs.
#[derive(Debug)]
struct Run(RawLock);

impl State for Run {
    const KIND: &'static str = "once";
    const LEN: usize = RawLock::SIZE;
    const WAITS: bool = false;

    #[expect(unsafe_code, reason = "a lock is placed in shared memory")]
    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        // SAFETY: the start of the payload, of which nobody else makes use.
        Ok(Self(unsafe { RawLock::at(mapping, PAYLOAD) }))
    }
}

impl Run {
    /// 1 when the function has returned.
    fn done(&self) -> &AtomicU32 {
        &self.0.spare()[0]
    }

    /// 1 when somebody began it and did not come to its end.
    fn poisoned(&self) -> &AtomicU32 {
        &self.0.spare()[1]
    }
}

/// Lets go of the lock, and takes note of a function that did not return.
struct Running<'a>(&'a Run);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // In a copy of the process it is not the copy that runs it.
        if !self.0.0.is_mine() {
            return;
        }
        let panicked = self.0.done().load(Ordering::Relaxed) == 0;
        self.0
            .poisoned()
            .store(u32::from(panicked), Ordering::Relaxed);
        self.0.0.unlock();
    }
}

/// Runs a function in one process, while all others that want it wait until it is done.
///
/// ```
/// use parproc::sync::Once;
/// use parproc::{par_map, parallel};
///
/// #[parallel]
/// fn work(prepared: Once) -> u32 {
///     let mut runs = 0;
///     prepared.call_once(|| runs += 1).expect("nobody died");
///     runs
/// }
///
/// let prepared = Once::new()?;
/// let runs = par_map(work, vec![prepared.clone(); 8])?;
/// assert_eq!(runs.iter().sum::<u32>(), 1);
/// assert!(prepared.is_completed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Once {
    home: Home<Run>,
}

impl Once {
    /// In shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { home: Home::new()? })
    }

    /// Runs the function if nobody has; waits if somebody does. What it wrote is seen by all after
    /// this.
    ///
    /// # Errors
    /// [`Poisoned`](OnceError::Poisoned) when somebody began it and died or panicked;
    /// [`Deadlock`](OnceError::Deadlock) in the function itself; [`System`](OnceError::System) when the C
    /// library does not support such locks.
    pub fn call_once(&self, function: impl FnOnce()) -> Result<(), OnceError> {
        self.call(false, |_| function())
    }

    /// So too, also when somebody began it and died or panicked: the function is told.
    ///
    /// ```
    /// use parproc::sync::{Once, OnceError};
    /// use parproc::{Process, parallel};
    ///
    /// #[parallel]
    /// fn begin(once: Once) {
    ///     once.call_once(|| std::process::abort()).ok();
    /// }
    ///
    /// let once = Once::new()?;
    /// assert!(Process::spawn(begin, once.clone())?.join().is_err());
    /// assert!(matches!(once.call_once(|| ()), Err(OnceError::Poisoned)));
    /// once.call_once_force(|state| assert!(state.is_poisoned())).unwrap();
    /// assert!(once.is_completed());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`call_once`](Self::call_once), but for `Poisoned`.
    pub fn call_once_force(&self, function: impl FnOnce(&OnceState)) -> Result<(), OnceError> {
        self.call(true, function)
    }

    /// True when the function has run to its end.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.home.done().load(Ordering::Acquire) != 0
    }

    fn call(&self, force: bool, function: impl FnOnce(&OnceState)) -> Result<(), OnceError> {
        if self.is_completed() {
            return Ok(());
        }
        let acquired = self.home.0.lock()?;
        if self.is_completed() {
            self.home.0.unlock();
            return Ok(());
        }
        // Nobody who took the lock and did not run the function has died with it: that is too short
        // a time to be told from one that ran it, and does no harm.
        let poisoned = acquired.died || self.home.poisoned().load(Ordering::Relaxed) != 0;
        let running = Running(&self.home);
        if poisoned && !force {
            drop(running);
            return Err(OnceError::Poisoned);
        }
        function(&OnceState { poisoned });
        if !self.home.0.is_mine() {
            let what =
                "a copy of the process was made in the function, which the process itself runs";
            return Err(OnceError::System(io::Error::other(what)));
        }
        self.home.done().store(1, Ordering::Release);
        drop(running);
        Ok(())
    }
}

impl Serialize for Once {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("completed", &self.is_completed())
            .finish_non_exhaustive()
    }
}

/// What the function of [`Once::call_once_force`] is told.
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// True if somebody began before, and died or panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

/// Why the function of a [`Once`] was not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum OnceError {
    /// Somebody began it, and died or panicked.
    Poisoned,
    /// It is this thread that runs it.
    Deadlock,
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for OnceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnceError::Poisoned => "whoever began it before died or panicked",
            OnceError::Deadlock => "this thread runs it at this moment and would wait for itself",
            OnceError::System(error) => return write!(f, "it cannot be run: {error}"),
        })
    }
}

impl Error for OnceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OnceError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<raw::LockError> for OnceError {
    fn from(error: raw::LockError) -> Self {
        match error {
            raw::LockError::Deadlock => OnceError::Deadlock,
            raw::LockError::Unsupported(error) => OnceError::System(error),
        }
    }
}

impl From<OnceError> for io::Error {
    fn from(error: OnceError) -> Self {
        match error {
            OnceError::System(error) => error,
            OnceError::Deadlock => io::Error::new(io::ErrorKind::Deadlock, error),
            OnceError::Poisoned => io::Error::other(error),
        }
    }
}

impl From<OnceError> for crate::error::Error {
    fn from(error: OnceError) -> Self {
        io::Error::from(error).into()
    }
}

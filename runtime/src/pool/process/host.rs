//! The hidden pool whose workers processes are.

use std::sync::{Mutex, PoisonError};

use super::super::Pool;
use super::super::keep::folder;
use super::super::setup::Setup;
use crate::error::Result;
use crate::sys::at_exit;

/// Made when it is first asked for, and kept until the program ends.
static HOST: Mutex<Option<&'static Pool>> = Mutex::new(None);

/// The pool of this process.
pub(super) fn host() -> Result<&'static Pool> {
    let mut host = HOST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = own(*host) {
        return Ok(pool);
    }
    let setup = Setup {
        one_each: true,
        crash_dir: folder(None),
        ..Setup::default()
    };
    // A failure is not kept: what the system lacks it may have later.
    let pool = Box::leak(Box::new(Pool::start(1, setup)?));
    at_exit(end_processes);
    *host = Some(pool);
    Ok(pool)
}

/// The pool, unless it is that of the process that this one was forked from.
fn own(host: Option<&'static Pool>) -> Option<&'static Pool> {
    host.filter(|pool| pool.shared().check_fork().is_ok())
}

fn existing() -> Option<&'static Pool> {
    own(*HOST.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The program ends by itself. However else it ends, the kernel ends its processes.
extern "C" fn end_processes() {
    if let Some(pool) = existing() {
        pool.close_silently();
    }
}

/// A process that runs: from [`active_processes`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its process id.
    pub pid: u32,
    /// The name that it was given.
    pub name: Option<String>,
    /// The registered name of the function that it runs.
    pub function: &'static str,
}

/// The processes that this program has started with [`Process`](crate::Process) and that have not
/// ended, in the order of their start.
///
/// In a process itself these are the ones that it has started.
///
/// ```
/// use parproc::{Process, active_processes, parallel};
///
/// #[parallel]
/// fn wait_for_ever() {
///     loop {
///         std::thread::park();
///     }
/// }
///
/// let process = Process::builder(wait_for_ever, ()).name("sleeper").spawn()?;
/// let active = active_processes();
/// let ours = active.iter().find(|info| info.pid == process.pid()).expect("it runs");
/// assert_eq!(ours.name.as_deref(), Some("sleeper"));
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn active_processes() -> Vec<ProcessInfo> {
    let Some(shared) = existing().map(Pool::shared) else {
        return Vec::new();
    };
    let state = shared.lock();
    let mut links: Vec<_> = state.links.iter().collect();
    links.sort_by_key(|link| link.id);
    let infos = links.into_iter().filter_map(|link| {
        let process = link.process.as_ref()?;
        Some(ProcessInfo {
            pid: link.pid,
            name: process.life.name.clone(),
            function: shared.table.name(process.function),
        })
    });
    infos.collect()
}

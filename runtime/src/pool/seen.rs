//! What people look at of a pool: a trace, a report, a live page, which its builder names, or the environment.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::events::Observing;
use crate::error::{Error, Result};
#[cfg(feature = "dashboard")]
use crate::observe::Dashboard;
use crate::observe::{HtmlReport, Observer, Trace};
use crate::worker::is_worker;

const TRACE: &str = "PARPROC_TRACE";
const REPORT: &str = "PARPROC_REPORT";
const DASHBOARD: &str = "PARPROC_DASHBOARD";

/// What the builder names.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Nobody looks at it here: it is a part of another pool.
    pub(super) elsewhere: bool,
    pub(super) trace: Option<PathBuf>,
    pub(super) report: Option<PathBuf>,
    /// Where a live page is to be.
    #[cfg(feature = "dashboard")]
    pub(super) dashboard: Option<String>,
    /// Where it is.
    #[cfg(feature = "dashboard")]
    pub(super) address: Option<String>,
}

/// What the environment names, for all pools of the program. They go on when a pool ends: the next one is shown
/// beside it.
#[derive(Debug, Default)]
struct Named {
    trace: Option<Trace>,
    report: Option<HtmlReport>,
    #[cfg(feature = "dashboard")]
    dashboard: Option<Dashboard>,
}

impl Seen {
    /// Those who show the pool.
    pub(super) fn observers(&mut self) -> Result<Vec<Observing>> {
        let mut observers = Vec::new();
        if let Some(path) = &self.trace {
            observers.push(Observing::new(Trace::open(path)?));
        }
        if let Some(path) = &self.report {
            observers.push(Observing::new(HtmlReport::open(path)?));
        }
        #[cfg(feature = "dashboard")]
        if let Some(address) = &self.dashboard {
            let dashboard = Dashboard::bind(address)?;
            self.address = Some(dashboard.address());
            observers.push(Observing::new(dashboard));
        }
        // The pools of workers are no business of the program's.
        if !is_worker() && !self.elsewhere {
            self.add_named(named()?, &mut observers);
        }
        Ok(observers)
    }

    fn add_named(&mut self, named: &Named, observers: &mut Vec<Observing>) {
        observers.extend(named.trace.clone().map(Observing::new));
        observers.extend(named.report.clone().map(Observing::new));
        #[cfg(feature = "dashboard")]
        if let Some(dashboard) = &named.dashboard {
            self.address.get_or_insert_with(|| dashboard.address());
            observers.push(Observing::new(dashboard.clone()));
        }
    }
}

/// What the environment names, which is read when the first pool is made.
fn named() -> Result<&'static Named> {
    static NAMED: OnceLock<Result<Named>> = OnceLock::new();
    let named = NAMED.get_or_init(Named::find);
    named.as_ref().map_err(Error::again)
}

impl Named {
    fn find() -> Result<Self> {
        let mut named = Self::default();
        // Finished at once: what stays here is no pool.
        if let Some(path) = variable(TRACE) {
            let mut trace = Trace::open(Path::new(&path))?;
            trace.finish();
            named.trace = Some(trace);
        }
        if let Some(path) = variable(REPORT) {
            let mut report = HtmlReport::open(Path::new(&path))?;
            report.finish();
            named.report = Some(report);
        }
        if let Some(address) = variable(DASHBOARD) {
            named.show(&address)?;
        }
        Ok(named)
    }

    #[cfg(feature = "dashboard")]
    fn show(&mut self, address: &str) -> Result<()> {
        use std::io::Write;

        let bound = Dashboard::bind(address);
        let line = match &bound {
            // Who sets the variable asks for the address, and has no other way to learn it.
            Ok(dashboard) => format!("parproc: live page at {}\n", dashboard.address()),
            // Another program has it, perhaps the one that started this one and handed on its variables.
            Err(error) if is_in_use(error) => format!("parproc: no live page: {error}\n"),
            Err(error) => return Err(error.again()),
        };
        let _ = std::io::stderr().write_all(line.as_bytes());
        self.dashboard = bound.ok();
        self.dashboard.iter_mut().for_each(Observer::finish);
        Ok(())
    }

    #[cfg(not(feature = "dashboard"))]
    fn show(&mut self, address: &str) -> Result<()> {
        Err(Error::invalid(format!(
            "{DASHBOARD}={address}: the program was built without parproc's feature `dashboard`"
        )))
    }
}

/// True when an address is another program's.
#[cfg(feature = "dashboard")]
fn is_in_use(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &std::io::Error| cause.kind() == std::io::ErrorKind::AddrInUse)
}

/// The value of a variable, with the number of the process for each `%p`.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.replace("%p", &std::process::id().to_string()))
}

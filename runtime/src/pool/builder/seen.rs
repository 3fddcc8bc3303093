//! Settings of who is told what happens, and of what people look at.

use std::path::PathBuf;

use super::PoolBuilder;
use crate::event::Observer;
use crate::pool::events::Observing;

impl PoolBuilder {
    /// Has the observer told what happens in the pool, from its first call on; [`Observer::finish`] is called when the pool
    /// has ended.
    ///
    /// Pools of clones of this builder have the same observer, each of them tells it everything, and each calls
    /// `finish`.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use parproc::observe::{Event, EventKind};
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn half(x: u32) -> u32 {
    ///     x / 2
    /// }
    ///
    /// let (sender, ended) = mpsc::channel();
    /// let tell = move |events: &[Event]| {
    ///     for event in events {
    ///         if let EventKind::WorkerEnded { pid, how, .. } = &event.kind {
    ///             let _ = sender.send(format!("worker {pid} {how}"));
    ///         }
    ///     }
    /// };
    /// let pool = Pool::builder().workers(1).observe(tell).build()?;
    /// pool.map(half, 0..10)?;
    /// drop(pool);
    /// assert!(ended.recv().unwrap().ends_with("exited with code 0"));
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn observe(mut self, observer: impl Observer + 'static) -> Self {
        self.setup.observers.push(Observing::new(observer));
        self
    }

    /// Has workers tell when each item ran, for the statistics of the pool: how the time of items divides, and which
    /// took longest. Off unless set; it costs about 0.2 µs an item.
    pub fn insights(mut self, insights: bool) -> Self {
        self.setup.insights = insights;
        self
    }

    /// Writes what happens in the pool to a file that <https://ui.perfetto.dev> opens: see
    /// [`Trace`](crate::observe::Trace). Pools that name the same file at the same time share it.
    ///
    /// `PARPROC_TRACE=trace.json` does it for all pools of a program, without a change of it.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let path = std::env::temp_dir().join(format!("trace-{}.json", std::process::id()));
    /// let pool = Pool::builder().workers(2).trace(&path).build()?;
    /// pool.map(square, 0..100)?;
    /// drop(pool);
    /// assert!(std::fs::read_to_string(&path)?.contains(r#""item":99"#));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace(mut self, path: impl Into<PathBuf>) -> Self {
        self.setup.seen.trace = Some(path.into());
        self
    }

    /// Writes what happens in the pool as one HTML page: see [`HtmlReport`](crate::observe::HtmlReport). Pools that name
    /// the same file at the same time share it.
    ///
    /// `PARPROC_REPORT=report.html` does it for all pools of a program, without a change of it.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let path = std::env::temp_dir().join(format!("report-{}.html", std::process::id()));
    /// let pool = Pool::builder().workers(2).report(&path).build()?;
    /// pool.map(square, 0..100)?;
    /// drop(pool);
    /// assert!(std::fs::read_to_string(&path)?.starts_with("<!DOCTYPE html>"));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn report(mut self, path: impl Into<PathBuf>) -> Self {
        self.setup.seen.report = Some(path.into());
        self
    }

    /// Shows what happens in the pool as a live page at an address such as `127.0.0.1:0`, where 0 is any free
    /// port: see [`Dashboard`](crate::observe::Dashboard). [`Pool::dashboard_address`](crate::Pool::dashboard_address)
    /// says what to open in a browser.
    ///
    /// `PARPROC_DASHBOARD=127.0.0.1:0` does it for all pools of a program, without a change of it, and prints what to
    /// open to standard error. If another program has that port, it says so there, and there is no page.
    ///
    /// ```
    /// use parproc::Pool;
    ///
    /// let pool = Pool::builder().dashboard("127.0.0.1:0").build()?;
    /// assert!(pool.dashboard_address().unwrap().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), parproc::Error>(())
    /// ```
    #[cfg(feature = "dashboard")]
    pub fn dashboard(mut self, address: impl Into<String>) -> Self {
        self.setup.seen.dashboard = Some(address.into());
        self
    }
}

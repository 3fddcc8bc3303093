//! A progress bar in the terminal.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::screen::{Drawn, own_screen};
use crate::event::{Event, EventKind, Observer};

/// How often it is drawn.
const TICK: Duration = Duration::from_millis(100);

/// What is drawn while it is known how many items there are, and while it is not; then what stays.
const BAR: &str = "{prefix:.bold} {wide_bar:.cyan/dim} {human_pos}/{human_len}  {rate}  {eta} left{failed:.red}{retried:.yellow}{lost:.red}";
const SPINNER: &str = "{prefix:.bold} {spinner:.cyan} {human_pos}  {rate}  in {elapsed}{failed:.red}{retried:.yellow}{lost:.red}";
const ENDED: &str = "{prefix:.bold} {wide_bar:.cyan/dim} {human_pos}/{human_len}  {rate}  in {elapsed}{failed:.red}{retried:.yellow}{lost:.red}";
const SPUN: &str =
    "{prefix:.bold} {human_pos}  {rate}  in {elapsed}{failed:.red}{retried:.yellow}{lost:.red}";

/// An [`Observer`] that draws a progress bar: [`Job::progress`](crate::Job::progress) makes one for a single call, and
/// [`PoolBuilder::observe`](crate::PoolBuilder::observe) takes one for all calls of a pool together.
///
/// It is drawn to standard error from the first call on, and not at all if that is no terminal. It shows how many
/// items are done of how many, the rate, the time that is left, failures, retries and lost nodes; a spinner instead of the bar if
/// nobody knows how many there are. When the call is over, or the pool, what was reached stays on the screen.
///
/// ```
/// use parproc::observe::Progress;
/// use parproc::{Pool, parallel};
///
/// #[parallel]
/// fn half(x: u32) -> u32 {
///     x / 2
/// }
///
/// let pool = Pool::builder().observe(Progress::new("halving")).build()?;
/// assert_eq!(pool.map(half, [2, 4])?, [1, 2]);
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug)]
pub struct Progress {
    name: Cow<'static, str>,
    screen: MultiProgress,
    bar: Option<(ProgressBar, Drawn)>,
    /// Of the calls until now; none if one of them does not know.
    items: Option<u64>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failed: AtomicU64,
    retried: AtomicU64,
    /// Nodes.
    lost: AtomicU64,
}

impl Progress {
    /// A bar with a name, under those of other calls.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self::on(own_screen(), name.into())
    }

    /// A bar among others that the program has.
    #[must_use]
    pub fn new_in(screen: &MultiProgress, name: impl Into<Cow<'static, str>>) -> Self {
        Self::on(screen.clone(), name.into())
    }

    fn on(screen: MultiProgress, name: Cow<'static, str>) -> Self {
        Self {
            name,
            screen,
            bar: None,
            items: Some(0),
            counts: Arc::default(),
        }
    }

    /// A call with so many items begins.
    fn begin(&mut self, items: Option<usize>) {
        let known = self.items.is_some();
        self.items = self.items.zip(items).map(|(all, more)| all + more as u64);
        if self.bar.is_none() {
            let drawn = Drawn::new(&self.screen);
            let bar = ProgressBar::no_length().with_prefix(self.name.clone());
            self.bar = Some((self.screen.add(bar), drawn));
        }
        let Some((bar, _)) = &self.bar else {
            return;
        };
        match self.items {
            Some(items) => {
                bar.set_style(self.style(BAR));
                bar.set_length(items);
            }
            None if known => {
                bar.set_style(self.style(SPINNER));
                bar.unset_length();
            }
            None => {}
        }
        bar.enable_steady_tick(TICK);
    }

    fn style(&self, template: &str) -> ProgressStyle {
        let style = ProgressStyle::with_template(template);
        // The templates are ours; without one it is drawn in another way.
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let (failures, retries) = (Arc::clone(&self.counts), Arc::clone(&self.counts));
        let losses = Arc::clone(&self.counts);
        style
            .progress_chars("━╸╌")
            .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                let _ = write_rate(state.per_sec(), out);
            })
            .with_key("failed", move |_: &ProgressState, out: &mut dyn Write| {
                let failed = failures.failed.load(Ordering::Relaxed);
                if failed > 0 {
                    let _ = write!(out, "  {failed} failed");
                }
            })
            .with_key("retried", move |_: &ProgressState, out: &mut dyn Write| {
                let retried = retries.retried.load(Ordering::Relaxed);
                if retried > 0 {
                    let _ = write!(out, "  {retried} tried again");
                }
            })
            .with_key("lost", move |_: &ProgressState, out: &mut dyn Write| {
                let lost = losses.lost.load(Ordering::Relaxed);
                if lost > 0 {
                    let plural = if lost == 1 { "" } else { "s" };
                    let _ = write!(out, "  {lost} node{plural} lost");
                }
            })
    }

    fn take(&mut self, kind: &EventKind) {
        if let EventKind::CallStarted { items, .. } = kind {
            self.begin(*items);
        }
        let Some((bar, _)) = &self.bar else {
            return;
        };
        match kind {
            EventKind::ItemsDone { count, .. } => bar.inc(*count as u64),
            EventKind::ItemFailed { retried: false, .. } => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                bar.inc(1);
            }
            EventKind::ItemRetried {
                revoked, failed, ..
            } => {
                self.counts.retried.fetch_add(1, Ordering::Relaxed);
                if *revoked {
                    bar.dec(1);
                    if failed.is_some() {
                        self.counts.failed.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            }
            EventKind::NodeLost { .. } => {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Leaves the bar as it is.
    fn end(&mut self) {
        if let Some((bar, _drawn)) = self.bar.take() {
            let template = if self.items.is_some() { ENDED } else { SPUN };
            if self.items == Some(0) {
                return bar.finish_and_clear();
            }
            bar.set_style(self.style(template));
            bar.abandon();
        }
    }
}

/// A rate that changes is read at a glance: in few digits.
fn write_rate(rate: f64, out: &mut dyn Write) -> std::fmt::Result {
    match rate {
        ..10.0 => write!(out, "{rate:.1}/s"),
        ..10_000.0 => write!(out, "{rate:.0}/s"),
        ..10_000_000.0 => write!(out, "{:.0}k/s", rate / 1e3),
        _ => write!(out, "{:.0}M/s", rate / 1e6),
    }
}

impl Observer for Progress {
    fn observe(&mut self, events: &[Event]) {
        for event in events {
            self.take(&event.kind);
        }
    }

    fn finish(&mut self) {
        self.end();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

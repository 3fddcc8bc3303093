//! A report: one HTML page that shows what a pool did.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::event::{Event, Interest, Observer};
use crate::sys::is_copy;

use super::page::{self, Source};
use super::place::{is_special, place};
use super::timeline::Timeline;

/// How many spans a file has at most, which makes it about 2 MB large.
const SPANS: usize = 50_000;
/// A page is written anew when nothing runs, and while something runs after so long a time.
const RUNNING: Duration = Duration::from_secs(10);
/// Writing takes at most this part of the time.
const SHARE: u32 = 20;

/// Writes what happens in a pool as one HTML page: a lane for each worker with its items, how many workers were
/// busy, how long items took, all failures with their reports, and what each worker did.
///
/// The page is one file that asks nobody for anything; a browser shows it from disk, light or dark as it is set,
/// and lets one zoom. It is written whenever nothing runs in the pool, every 10 seconds while something runs, and
/// at last when the pool is over; each time as a whole, so that who opens the file sees a complete page. Writing takes
/// at most a twentieth of the time. A link stays, and what it leads to is replaced; a device or a pipe is written to,
/// each time the whole page.
///
/// Memory and file are bounded: with more than 50,000 items those that follow each other closely are shown as
/// one; sums stay exact. A file is about 2 MB large at most, and as much again if there are many failures, of which
/// the first 1000 are in it.
///
/// A clone writes another pool into the same file.
///
/// ```
/// use parproc::observe::{Event, EventKind, Observer, HtmlReport};
///
/// let folder = tempfile::tempdir()?;
/// let mut report = HtmlReport::create(folder.path().join("report.html"))?;
/// report.observe(&[Event::new(0, EventKind::CallStarted { call: 1, function: "f", items: None })]);
/// report.save()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it writes the page a last time.
pub struct HtmlReport {
    shared: Arc<Shared>,
    /// Its number; none until something is told of it.
    pool: Option<usize>,
    finished: bool,
    item_times: bool,
}

/// The reports that are being written.
static OPEN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    timeline: Timeline,
    /// How many of the report and its clones are told of events.
    open: usize,
    /// The revision that is in the file.
    written: u64,
    last: Instant,
    /// How long writing took the last time.
    cost: Duration,
}

impl HtmlReport {
    /// Makes the file, with an empty page for now.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = place(path.as_ref()).map_err(|error| {
            Error::os(format!("cannot find {}", path.as_ref().display()), error)
        })?;
        let state = State {
            timeline: Timeline::new(true),
            open: 1,
            written: u64::MAX,
            last: Instant::now(),
            cost: Duration::ZERO,
        };
        let shared = Arc::new(Shared {
            path,
            state: Mutex::new(state),
        });
        shared.write(&mut shared.state())?;
        Ok(Self {
            shared,
            pool: None,
            finished: false,
            item_times: true,
        })
    }

    /// The report that is being written to this path, or a new one: pools that name one file share it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| one.strong_count() > 0);
        let wanted = place(path).ok();
        let known = open.iter().filter_map(Weak::upgrade);
        for shared in known {
            if Some(&shared.path) == wanted.as_ref() {
                return Ok(Self::of(&shared, true));
            }
        }
        let report = Self::create(path)?;
        open.push(Arc::downgrade(&report.shared));
        Ok(report)
    }

    /// Another pool in the same report.
    fn of(shared: &Arc<Shared>, item_times: bool) -> Self {
        let mut state = shared.state();
        state.open += 1;
        state.timeline.finish(false);
        drop(state);
        Self {
            shared: Arc::clone(shared),
            pool: None,
            finished: false,
            item_times,
        }
    }

    /// Whether single items are shown, which costs workers some tens of nanoseconds an item; else chunks of them are.
    /// They are, unless this says otherwise before the pool is told of.
    #[must_use]
    pub fn item_times(mut self, item_times: bool) -> Self {
        self.item_times = item_times;
        self.shared.state().timeline.set_detailed(item_times);
        self
    }

    /// Where the page is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Writes the page now. What the pool told so far is in it; the pool tells with a delay.
    ///
    /// # Errors
    /// Fails when the file cannot be written. That is said here only: when the page is written by itself, an
    /// error leaves the page before.
    pub fn save(&self) -> Result<()> {
        self.shared.write(&mut self.shared.state())
    }

    /// Something is told: by its pool, or after that one's end by another one, of a clone of the builder.
    fn begin(&mut self) -> (MutexGuard<'_, State>, usize) {
        let mut state = self.shared.state();
        if std::mem::take(&mut self.finished) {
            state.open += 1;
            state.timeline.finish(false);
        }
        let pool = self.pool.get_or_insert_with(|| state.timeline.add_pool());
        (state, *pool)
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let mut state = self.shared.state();
        state.open -= 1;
        if state.open == 0 {
            state.timeline.finish(true);
        }
        // A pool that is over has nobody to tell. A copy of the process, by `fork`, knows nothing new.
        if !is_copy() {
            let _ = self.shared.write(&mut state);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the file by the page as it is now.
    fn write(&self, state: &mut State) -> Result<()> {
        if state.written == state.timeline.revision {
            return Ok(());
        }
        let begun = Instant::now();
        let revision = state.timeline.revision;
        let snapshot = state.timeline.snapshot(false, SPANS);
        let page = page::page(snapshot.title(), &snapshot, Source::Itself)?;
        replace(&self.path, page.as_bytes())
            .map_err(|error| Error::os(format!("cannot write {}", self.path.display()), error))?;
        state.written = revision;
        state.last = Instant::now();
        state.cost = begun.elapsed();
        Ok(())
    }
}

impl State {
    /// True when the page has to be written anew.
    fn is_due(&self) -> bool {
        let since = self.last.elapsed();
        let wait = self.cost * SHARE;
        since >= wait && (self.timeline.running() == 0 || since >= RUNNING)
    }
}

/// Puts `bytes` into the place of the file at once: nobody finds half of it. What is no regular file stays, and is
/// written to.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_special(path) {
        return write_through(path, bytes);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(".parproc-")
        .suffix(".html")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Writes to a device, or to who reads a pipe; if nobody does, opening it would wait.
fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NXIO) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    fs::File::from(file).write_all(bytes)
}

impl Clone for HtmlReport {
    fn clone(&self) -> Self {
        Self::of(&self.shared, self.item_times)
    }
}

impl Observer for HtmlReport {
    fn interest(&self) -> Interest {
        match self.item_times {
            true => Interest::ITEM_TIMES,
            false => Interest::USUAL,
        }
    }

    fn observe(&mut self, events: &[Event]) {
        let shared = Arc::clone(&self.shared);
        let (mut state, pool) = self.begin();
        state.timeline.feed(pool, events);
        if state.is_due() && shared.write(&mut state).is_err() {
            // A disk that is full now may have room later; asking it all the time helps nobody.
            state.last = Instant::now();
            state.cost = RUNNING / SHARE;
        }
    }

    fn finish(&mut self) {
        self.end();
    }
}

impl Drop for HtmlReport {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for HtmlReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HtmlReport")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

//! The file of a trace, and the observer that writes it.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Error, Result};
use crate::event::{Event, Interest, Observer};
use crate::observe::{json, place::place};
use crate::sys::is_copy;

use super::record::Record;
use super::tracks::Tracks;

/// So many bytes are written at once, within a large batch.
const AT_ONCE: usize = 256 << 10;

/// Writes what happens in a pool to a file that <https://ui.perfetto.dev> and `chrome://tracing` open.
///
/// A track for each worker shows its items, failures, starts and ends, a track for the pool its calls, and a
/// counter how many workers were busy. Workers on other ranks of a launch (feature `mpi`) stand in a group for each
/// rank, with the name of its machine. An item is about 150 bytes in the file.
///
/// Events are written as they come, batch by batch. The file of a program that was killed lacks its end, which
/// the format allows.
///
/// The file is locked while it is written, so that a program that was started with the same path, by a task with
/// `PARPROC_TRACE` say, leaves it alone: who finds it locked writes to a file beside it, with the number of the process
/// before the extension (`trace.4711.json`), and [`path`](Trace::path) says so.
///
/// A clone writes another pool into the same file.
///
/// ```
/// use parproc::observe::{Event, EventKind, Observer, Trace};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("trace.json");
/// let mut trace = Trace::create(&path)?;
/// trace.observe(&[Event::new(0, EventKind::CallStarted { call: 1, function: "f", items: None })]);
/// drop(trace);
/// assert!(std::fs::read_to_string(path)?.contains(r#""name":"f""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The file has its end when all pools that it tells of are over.
pub struct Trace {
    shared: Arc<Shared>,
    /// None until something is told.
    tracks: Option<Tracks>,
    item_times: bool,
    finished: bool,
}

/// What the file ends with.
const END: &[u8] = b"\n]\n";

/// The traces that are being written.
static OPEN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

struct Shared {
    /// The path that was asked for.
    wanted: PathBuf,
    /// Where the file is.
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    bytes: Vec<u8>,
    /// A line was written, and the next one comes behind a comma.
    begun: bool,
    /// The time of the first event.
    origin: Option<u64>,
    pools: usize,
    /// How many of the trace and its clones are told of events.
    open: usize,
    /// The file has its end.
    ended: bool,
    fault: Option<Error>,
}

impl Trace {
    /// Makes the file, or empties it if there is one; if somebody else writes it, makes one beside it.
    ///
    /// # Errors
    /// Fails when the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        // Pools that name one file find it by this.
        let wanted = place(path.as_ref()).map_err(|error| {
            Error::os(format!("cannot find {}", path.as_ref().display()), error)
        })?;
        let failed = |error| Error::os(format!("cannot create {}", wanted.display()), error);
        let (path, file) = match empty(&wanted).map_err(failed)? {
            Some(file) => (wanted.clone(), file),
            None => {
                let path = beside(&wanted);
                let file = empty(&path).map_err(failed)?;
                let locked = || failed(io::ErrorKind::ResourceBusy.into());
                (path, file.ok_or_else(locked)?)
            }
        };
        let state = State {
            file,
            bytes: b"[".to_vec(),
            begun: false,
            origin: None,
            pools: 0,
            open: 1,
            ended: false,
            fault: None,
        };
        let shared = Shared {
            wanted,
            path,
            state: Mutex::new(state),
        };
        Ok(Self {
            shared: Arc::new(shared),
            tracks: None,
            item_times: true,
            finished: false,
        })
    }

    /// The trace that is being written to this path, or a new one: pools that name one file share it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| one.strong_count() > 0);
        let wanted = place(path).ok();
        let known = open.iter().filter_map(Weak::upgrade);
        for shared in known {
            if Some(&shared.wanted) == wanted.as_ref() {
                return Ok(Self::of(&shared, true));
            }
        }
        let trace = Self::create(path)?;
        open.push(Arc::downgrade(&trace.shared));
        Ok(trace)
    }

    /// Another pool in the same trace.
    fn of(shared: &Arc<Shared>, item_times: bool) -> Self {
        shared.state().open += 1;
        Self {
            shared: Arc::clone(shared),
            tracks: None,
            item_times,
            finished: false,
        }
    }

    /// Whether single items are traced, which costs workers some tens of nanoseconds an item; else chunks of them
    /// are. They are, unless this says otherwise.
    #[must_use]
    pub fn item_times(mut self, item_times: bool) -> Self {
        self.item_times = item_times;
        self
    }

    /// Where the trace is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What went wrong with the file. Nothing is written after that.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.shared.state().fault.as_ref().map(Error::again)
    }
}

impl Trace {
    fn end(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let state = &mut *self.shared.state();
        state.open -= 1;
        // A copy of the process, by `fork`, has the file too, and knows nothing new.
        if is_copy() {
            return;
        }
        if let Some(tracks) = &mut self.tracks {
            self.shared.reopen(state);
            tracks.end(&mut |record| self.shared.line(state, record));
        }
        if state.open == 0 && !state.ended {
            state.bytes.extend_from_slice(END);
            state.ended = true;
        }
        self.shared.flush(state);
    }
}

/// A file that is there and empty, and locked until it is closed; none if somebody else has locked it.
fn empty(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    // A device is nobody's own.
    if !file.metadata()?.is_file() {
        return Ok(Some(file));
    }
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Ok(None);
    }
    // Some file systems have no locks, and traces.
    file.set_len(0)?;
    Ok(Some(file))
}

/// The path with the number of the process before the extension.
fn beside(path: &Path) -> PathBuf {
    let mut extension = OsString::from(std::process::id().to_string());
    if let Some(last) = path.extension() {
        extension.push(".");
        extension.push(last);
    }
    path.with_extension(extension)
}

impl Shared {
    /// What comes now is written over the end of the file, which it is longer than.
    fn reopen(&self, state: &mut State) {
        if !std::mem::take(&mut state.ended) || state.fault.is_some() {
            return;
        }
        if let Err(error) = state.file.seek(SeekFrom::End(-(END.len() as i64))) {
            let what = format!("cannot go on with {}", self.path.display());
            state.fault = Some(Error::os(what, error));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the lines to the system.
    fn flush(&self, state: &mut State) {
        if state.fault.is_none()
            && let Err(error) = state.file.write_all(&state.bytes)
        {
            let what = format!("cannot write {}", self.path.display());
            state.fault = Some(Error::os(what, error));
        }
        state.bytes.clear();
    }

    fn line(&self, state: &mut State, record: &Record<'_>) {
        let begin = state.bytes.len();
        let separator: &[u8] = if state.begun { b",\n" } else { b"\n" };
        state.bytes.extend_from_slice(separator);
        match json::append(&mut state.bytes, record) {
            Ok(()) => state.begun = true,
            Err(_) => state.bytes.truncate(begin),
        }
        if state.bytes.len() >= AT_ONCE {
            self.flush(state);
        }
    }
}

impl Clone for Trace {
    fn clone(&self) -> Self {
        Self::of(&self.shared, self.item_times)
    }
}

impl Observer for Trace {
    fn interest(&self) -> Interest {
        match self.item_times {
            true => Interest::ITEM_TIMES,
            false => Interest::USUAL,
        }
    }

    fn observe(&mut self, events: &[Event]) {
        let Some(first) = events.first() else { return };
        let state = &mut *self.shared.state();
        if state.fault.is_some() {
            return;
        }
        if std::mem::take(&mut self.finished) {
            // By another pool, of a clone of the builder that had the first one.
            state.open += 1;
        }
        self.shared.reopen(state);
        let origin = *state.origin.get_or_insert(first.at);
        let tracks = self.tracks.get_or_insert_with(|| {
            state.pools += 1;
            Tracks::new(state.pools, self.item_times)
        });
        for event in events {
            let write = &mut |record: &Record<'_>| self.shared.line(state, record);
            tracks.write(event, origin, write);
        }
        self.shared.flush(state);
    }

    fn finish(&mut self) {
        self.end();
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Trace")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

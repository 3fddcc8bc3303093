//! The file of a trace, and the observer that writes it.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::event::{Event, Interest, Observer};
use crate::observe::json;
use crate::sys::is_copy;

use super::record::Record;
use super::tracks::Tracks;

/// So many bytes are written at once, within a large batch.
const AT_ONCE: usize = 256 << 10;

/// Writes what happens in a pool to a file that <https://ui.perfetto.dev> and `chrome://tracing` open.
///
/// A track for each worker shows its items, failures, starts and ends, a track for the pool its calls, and
/// counters how many workers were busy and how many items were at workers. An item is about 200 bytes in the
/// file.
///
/// Events are written as they come, batch by batch. The file of a program that was killed lacks its end, which
/// the format allows.
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
/// Dropping the last one ends the file.
pub struct Trace {
    shared: Arc<Shared>,
    tracks: Tracks,
    item_times: bool,
}

struct Shared {
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
    fault: Option<Error>,
}

impl Trace {
    /// Makes the file, or empties it if there is one.
    ///
    /// # Errors
    /// Fails when the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let failed = |error| Error::os(format!("cannot create {}", path.display()), error);
        let file = File::create(&path).map_err(failed)?;
        let state = State {
            file,
            bytes: b"[".to_vec(),
            begun: false,
            origin: None,
            pools: 1,
            fault: None,
        };
        let shared = Shared {
            path,
            state: Mutex::new(state),
        };
        Ok(Self {
            shared: Arc::new(shared),
            tracks: Tracks::new(1, true),
            item_times: true,
        })
    }

    /// Whether single items are traced, which costs workers some tens of nanoseconds an item; else chunks of them
    /// are. They are, unless this says otherwise.
    #[must_use]
    pub fn item_times(mut self, item_times: bool) -> Self {
        self.item_times = item_times;
        self.tracks = Tracks::new(self.tracks.pool(), item_times);
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

impl Shared {
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
        let mut state = self.shared.state();
        state.pools += 1;
        let tracks = Tracks::new(state.pools, self.item_times);
        drop(state);
        Self {
            shared: Arc::clone(&self.shared),
            tracks,
            item_times: self.item_times,
        }
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
        let origin = *state.origin.get_or_insert(first.at);
        for event in events {
            let write = &mut |record: &Record<'_>| self.shared.line(state, record);
            self.tracks.write(event, origin, write);
        }
        self.shared.flush(state);
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let state = &mut *shared.state();
        self.tracks.end(&mut |record| shared.line(state, record));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if is_copy() {
            return;
        }
        let mut state = self.state();
        state.bytes.extend_from_slice(b"\n]\n");
        self.flush(&mut state);
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

//! The observer behind a live page.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;

use crate::error::{Error, Result};
use crate::event::{Event, Interest, Observer};
use crate::observe::json;
use crate::observe::page::{self, Source};
use crate::observe::timeline::Timeline;
use crate::sys;

use super::serve::Server;

/// How many spans a live page gets at most, every second anew: about 400 kB.
const SPANS: usize = 12_000;
/// What was made for one client is given to others who ask soon after.
const FRESH: Duration = Duration::from_millis(250);

/// Shows what happens in a pool as a live page in a browser.
///
/// It is the page of a [`HtmlReport`](crate::observe::HtmlReport), made anew every second while somebody looks at it. It can be read and nothing else, by
/// those who know its whole [address](Self::address).
///
/// A clone shows another pool in the same page.
///
/// ```
/// use parproc::observe::Dashboard;
///
/// let dashboard = Dashboard::bind("127.0.0.1:0")?;
/// assert!(dashboard.address().starts_with("http://127.0.0.1:"));
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// The server ends when the last one is dropped, as that of a pool is when the pool is over.
pub struct Dashboard {
    shared: Arc<Shared>,
    /// Ends with the last one.
    server: Arc<Server>,
    /// Its number; none until something is told of it.
    pool: Option<usize>,
    item_times: bool,
    finished: bool,
}

/// What the server shows.
pub(super) struct Shared {
    state: Mutex<State>,
    /// What the paths begin with.
    pub(super) token: String,
}

struct State {
    timeline: Timeline,
    /// How many are told of events.
    open: usize,
    cached: Option<Cached>,
}

struct Cached {
    made: Instant,
    revision: u64,
    json: Bytes,
}

impl Dashboard {
    /// Listens at an address such as `127.0.0.1:0`, where 0 is any port that is free. A port alone, as in `8080`,
    /// means this machine.
    ///
    /// Everybody who can reach the address can read what happens if they know the token in it; other than
    /// from this machine that goes over the network in the clear.
    ///
    /// # Errors
    /// Fails when `address` is none, or cannot be listened at.
    pub fn bind(address: &str) -> Result<Self> {
        let address = parse(address)?;
        let failed = |error| Error::os(format!("cannot show a live page at {address}"), error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        let token = sys::random_hex().map_err(failed)?;
        let state = State {
            timeline: Timeline::new(true),
            open: 1,
            cached: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            token,
        });
        let server = Server::start(listener, &shared).map_err(failed)?;
        Ok(Self {
            shared,
            server: Arc::new(server),
            pool: None,
            item_times: true,
            finished: false,
        })
    }

    /// Whether single items are shown, which costs workers some tens of nanoseconds an item; else chunks of them are.
    /// They are, unless this says otherwise before the pool is told of.
    #[must_use]
    pub fn item_times(mut self, item_times: bool) -> Self {
        self.item_times = item_times;
        self.shared.state().timeline.set_detailed(item_times);
        self
    }

    /// What to open in a browser, token and all.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}/{}/", self.server.address, self.shared.token)
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
    }
}

/// The address, or the port on this machine.
fn parse(text: &str) -> Result<SocketAddr> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let named = text.strip_prefix("localhost:");
    let address = named.map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    address.parse().map_err(|_| {
        Error::invalid(format!(
            "the address {text:?} of a live page: say an address and a port, such as 127.0.0.1:0"
        ))
    })
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole page.
    pub(super) fn page(&self) -> Result<String> {
        let snapshot = self.state().timeline.snapshot(true, SPANS);
        page::page(snapshot.title(), &snapshot, Source::Server)
    }

    /// What a page shows, as JSON; none if it is what the client has, and nothing runs.
    pub(super) fn data(&self, since: Option<u64>) -> Result<Option<Bytes>> {
        let state = self.state();
        let revision = state.timeline.revision;
        if since == Some(revision)
            && (state.timeline.running() == 0 || state.timeline.is_finished())
        {
            return Ok(None);
        }
        if let Some(cached) = &state.cached
            && (cached.made.elapsed() < FRESH && since.is_none_or(|since| cached.revision >= since))
        {
            return Ok(Some(cached.json.clone()));
        }
        let snapshot = state.timeline.snapshot(true, SPANS);
        drop(state);
        let json = Bytes::from(json::text(&snapshot)?);
        self.state().cached = Some(Cached {
            made: Instant::now(),
            revision,
            json: json.clone(),
        });
        Ok(Some(json))
    }
}

impl Clone for Dashboard {
    fn clone(&self) -> Self {
        let mut state = self.shared.state();
        state.open += 1;
        state.timeline.finish(false);
        drop(state);
        Self {
            shared: Arc::clone(&self.shared),
            server: Arc::clone(&self.server),
            pool: None,
            item_times: self.item_times,
            finished: false,
        }
    }
}

impl Observer for Dashboard {
    fn interest(&self) -> Interest {
        match self.item_times {
            true => Interest::ITEM_TIMES,
            false => Interest::USUAL,
        }
    }

    fn observe(&mut self, events: &[Event]) {
        let (mut state, pool) = self.begin();
        state.timeline.feed(pool, events);
    }

    fn finish(&mut self) {
        self.end();
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who reads logs need not read the page.
        formatter
            .debug_struct("Dashboard")
            .field("address", &self.server.address)
            .finish_non_exhaustive()
    }
}

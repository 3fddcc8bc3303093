//! Has the subscriber and the logger hear of one worker, frame by frame.

#[cfg(feature = "tracing")]
use std::collections::HashMap;

#[cfg(feature = "tracing")]
use tracing_core::span::{Attributes, Record};
#[cfg(feature = "tracing")]
use tracing_core::{Event, Metadata};

use super::hub::What;
use super::source::Item;
#[cfg(feature = "tracing")]
use super::source::Task;
#[cfg(feature = "tracing")]
use super::span::{Open, tell};
#[cfg(feature = "tracing")]
use super::values::with_values;
use crate::wire::log::LogFrame;
#[cfg(feature = "tracing")]
use crate::wire::log::LogValues;

/// Spans of a worker that are open at once, and places where it says something. What is beyond is not heard.
#[cfg(feature = "tracing")]
const MOST_SPANS: usize = 1 << 16;
#[cfg(feature = "tracing")]
const MOST_SITES: u32 = 1 << 16;

/// Who a worker is.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) pid: u32,
    /// None if it is of this process.
    #[cfg(feature = "mpi")]
    pub(super) site: Option<super::Site>,
}

impl Worker {
    /// This process, which runs items itself.
    #[cfg(feature = "tracing")]
    pub(super) fn own() -> Self {
        Self::here(std::process::id())
    }

    /// One of this process.
    fn here(pid: u32) -> Self {
        Self {
            pid,
            #[cfg(feature = "mpi")]
            site: None,
        }
    }

    /// The name of its machine and its rank, if it is on a node.
    pub(super) fn place(&self) -> Option<(&str, usize)> {
        #[cfg(feature = "mpi")]
        return self.site.as_ref().map(|site| (&*site.host, site.rank));
        #[cfg(not(feature = "mpi"))]
        None
    }
}

/// What is known of a worker. Dropping it closes its spans.
#[derive(Debug)]
pub(super) struct Player {
    worker: Worker,
    #[cfg(feature = "tracing")]
    sites: HashMap<u32, &'static Metadata<'static>>,
    #[cfg(feature = "tracing")]
    spans: HashMap<u64, Span>,
    /// Spans that were entered, the last one last.
    #[cfg(feature = "tracing")]
    entered: Vec<u64>,
    /// The task that the last frame was from, and its span.
    #[cfg(feature = "tracing")]
    task: Option<(Option<Task>, Open)>,
}

/// A span of the worker.
#[cfg(feature = "tracing")]
#[derive(Debug)]
struct Span {
    open: Open,
    /// None if the subscriber does not want to hear of it, and what it is in stands for it.
    metadata: Option<&'static Metadata<'static>>,
    /// How often it was entered and not left.
    entered: usize,
}

impl Player {
    pub(super) fn new(pid: u32) -> Self {
        Self::of(Worker::here(pid))
    }

    /// Of a worker of a node.
    #[cfg(feature = "mpi")]
    pub(super) fn of_node(pid: u32, site: super::Site) -> Self {
        Self::of(Worker {
            pid,
            site: Some(site),
        })
    }

    fn of(worker: Worker) -> Self {
        Self {
            worker,
            #[cfg(feature = "tracing")]
            sites: HashMap::new(),
            #[cfg(feature = "tracing")]
            spans: HashMap::new(),
            #[cfg(feature = "tracing")]
            entered: Vec::new(),
            #[cfg(feature = "tracing")]
            task: None,
        }
    }

    pub(super) fn play(&mut self, what: What) {
        match what {
            What::Frame(item, body) => {
                if let Some(frame) = LogFrame::read(&body) {
                    self.frame(&item, frame);
                }
            }
            #[cfg(feature = "tracing")]
            What::Over(chunk) => {
                let of = |task: &Option<Task>| task.is_none_or(|task| task.chunk <= chunk);
                if self.task.as_ref().is_some_and(|(task, _)| of(task)) {
                    self.task = None;
                }
            }
            #[cfg(feature = "tracing")]
            What::End => self.end(),
            #[cfg(not(feature = "tracing"))]
            What::Over(_) | What::End => {}
            #[cfg(feature = "mpi")]
            What::Then(_) => {}
        }
    }

    fn frame(&mut self, item: &Item, frame: LogFrame<'_>) {
        match frame {
            #[cfg(feature = "tracing")]
            LogFrame::Site(number, site) => {
                if number < MOST_SITES
                    && let Some(metadata) = super::callsites::metadata(&site)
                {
                    self.sites.insert(number, metadata);
                }
            }
            #[cfg(feature = "tracing")]
            LogFrame::Event(site, parent, values) => self.event(item, site, parent, &values),
            #[cfg(feature = "tracing")]
            LogFrame::Span(id, site, parent, values) => self.span(item, id, site, parent, &values),
            #[cfg(feature = "tracing")]
            LogFrame::Record(id, values) => {
                if let Some(span) = self.spans.get(&id)
                    && let (Some(metadata), Some(id)) = (span.metadata, &span.open.id)
                {
                    with_values(metadata, &values, |values| {
                        let record = Record::new(values);
                        span.open.dispatch.record(id, &record);
                    });
                }
            }
            #[cfg(feature = "tracing")]
            LogFrame::Follows(id, other) => {
                let known = |id: u64| self.spans.get(&id).filter(|span| span.metadata.is_some());
                if let (Some(span), Some(other)) = (known(id), known(other))
                    && let (Some(id), Some(other)) = (&span.open.id, &other.open.id)
                {
                    span.open.dispatch.record_follows_from(id, other);
                }
            }
            #[cfg(feature = "tracing")]
            LogFrame::Enter(id) => self.enter(id),
            #[cfg(feature = "tracing")]
            LogFrame::Exit(id) => self.exit(id),
            #[cfg(feature = "tracing")]
            LogFrame::Close(id) => self.close(id),
            #[cfg(feature = "log")]
            LogFrame::Log(record) => self.record(item, &record),
        }
    }

    #[cfg(feature = "log")]
    fn record(&mut self, item: &Item, record: &crate::wire::log::LogRecord<'_>) {
        let (task, worker) = (item.task.as_ref(), self.worker.clone());
        #[cfg(feature = "tracing")]
        if item.context.levels().tracing > 0 {
            // The logger may pass it on to a subscriber, for which it happens where that is now.
            let open = self.scope(item, record.span);
            tracing_core::dispatcher::with_default(&open.dispatch, || {
                open.enter();
                super::records::tell(record, task, &worker);
                open.exit();
            });
            return;
        }
        super::records::tell(record, task, &worker);
    }
}

#[cfg(feature = "tracing")]
impl Player {
    /// The span that something is in: that of the worker if there is one, or else that of its task.
    fn scope(&mut self, item: &Item, parent: Option<u64>) -> &Open {
        if let Some(span) = parent.and_then(|parent| self.spans.get(&parent)) {
            return &span.open;
        }
        let task = item.task;
        let same = |(last, _): &(Option<Task>, Open)| *last == task && task.is_some();
        if !self.task.as_ref().is_some_and(same) {
            let (dispatch, caller) = item.context.listener();
            // The span before is closed first.
            self.task = None;
            let open = Open::of_task(&dispatch, caller, task.as_ref(), &self.worker);
            self.task = Some((task, open));
        }
        let task = self.task.as_ref().map(|(_, open)| open);
        task.unwrap_or_else(|| unreachable!("it was set just now"))
    }

    fn event(&mut self, item: &Item, site: u32, parent: Option<u64>, values: &LogValues<'_>) {
        let Some(metadata) = self.sites.get(&site).copied() else {
            return;
        };
        if !metadata.is_event() {
            return;
        }
        let open = self.scope(item, parent);
        with_values(metadata, values, |values| {
            tell(&open.dispatch, |dispatch| {
                if dispatch.enabled(metadata) {
                    let event = Event::new_child_of(open.id.clone(), metadata, values);
                    dispatch.event(&event);
                }
            });
        });
    }

    fn span(
        &mut self,
        item: &Item,
        id: u64,
        site: u32,
        parent: Option<u64>,
        values: &LogValues<'_>,
    ) {
        let Some(metadata) = self.sites.get(&site).copied() else {
            return;
        };
        if !metadata.is_span() || self.spans.len() >= MOST_SPANS || self.spans.contains_key(&id) {
            return;
        }
        let scope = self.scope(item, parent);
        let made = with_values(metadata, values, |values| {
            tell(&scope.dispatch, |dispatch| {
                let attributes = match &scope.id {
                    Some(parent) => Attributes::child_of(parent.clone(), metadata, values),
                    None => Attributes::new_root(metadata, values),
                };
                dispatch
                    .enabled(metadata)
                    .then(|| dispatch.new_span(&attributes))
            })
        });
        let span = Span {
            metadata: made.as_ref().map(|_| metadata),
            open: match made {
                Some(id) => Open {
                    dispatch: scope.dispatch.clone(),
                    id: Some(id),
                },
                None => scope.again(),
            },
            entered: 0,
        };
        self.spans.insert(id, span);
    }

    fn enter(&mut self, id: u64) {
        if let Some(span) = self.spans.get_mut(&id)
            && span.metadata.is_some()
            && self.entered.len() < MOST_SPANS
        {
            span.entered += 1;
            self.entered.push(id);
            span.open.enter();
        }
    }

    fn exit(&mut self, id: u64) {
        if let Some(span) = self.spans.get_mut(&id)
            && span.entered > 0
        {
            span.entered -= 1;
            if let Some(place) = self.entered.iter().rposition(|one| *one == id) {
                self.entered.remove(place);
            }
            span.open.exit();
        }
    }

    fn close(&mut self, id: u64) {
        while self.spans.get(&id).is_some_and(|span| span.entered > 0) {
            self.exit(id);
        }
        self.spans.remove(&id);
    }

    /// The worker left what it was in, and closed what it had open.
    fn end(&mut self) {
        while let Some(id) = self.entered.last().copied() {
            self.exit(id);
        }
        // The inner ones first, as far as that can be told.
        let mut open: Vec<u64> = self.spans.keys().copied().collect();
        open.sort_unstable();
        for id in open.into_iter().rev() {
            self.close(id);
        }
        self.task = None;
    }
}

#[cfg(feature = "tracing")]
impl Drop for Player {
    fn drop(&mut self) {
        self.end();
    }
}

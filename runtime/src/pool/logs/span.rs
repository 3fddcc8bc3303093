//! The span of a task: below that of its caller, and above all that the task itself says.

#[cfg(feature = "tracing")]
use tracing_core::dispatcher::{Dispatch, get_default, with_default};
#[cfg(feature = "tracing")]
use tracing_core::span::{Attributes, Id};

#[cfg(feature = "tracing")]
use super::callsites::of_task;
#[cfg(feature = "tracing")]
use super::player::Worker;
use super::source::Task;
#[cfg(feature = "tracing")]
use super::values::with_values;
use crate::pool::chunk::Chunk;
#[cfg(feature = "tracing")]
use crate::wire::Numbering;
#[cfg(feature = "tracing")]
use crate::wire::log::{LogValue, LogValues};

/// Tells a subscriber of an event or a new span, as if it was this thread's own.
#[cfg(feature = "tracing")]
pub(super) fn tell<R>(dispatch: &Dispatch, mut tell: impl FnMut(&Dispatch) -> R) -> R {
    // What it logs itself while it hears of it goes no further, as usual.
    with_default(dispatch, || get_default(&mut tell))
}

/// A span of a subscriber, which is closed when this is dropped.
#[cfg(feature = "tracing")]
#[derive(Debug)]
pub(super) struct Open {
    pub(super) dispatch: Dispatch,
    /// None if the subscriber wants to hear of no span up to here.
    pub(super) id: Option<Id>,
}

#[cfg(feature = "tracing")]
impl Open {
    /// One more handle of the same span.
    pub(super) fn again(&self) -> Self {
        Self {
            dispatch: self.dispatch.clone(),
            id: self.id.as_ref().map(|id| self.dispatch.clone_span(id)),
        }
    }

    /// The span of a task in this process or a worker, or of whatever else happens there.
    pub(super) fn of_task(
        dispatch: &Dispatch,
        caller: Option<Id>,
        task: Option<&Task>,
        worker: &Worker,
    ) -> Self {
        let function = task.map(|task| task.function);
        let place = worker.place();
        let metadata = of_task(function.unwrap_or("parproc::worker"), place.is_some());
        let id = metadata.and_then(|metadata| {
            let text = function.map(|function| LogValue::Text(function.into()));
            let index = task.and_then(|task| task.index).map(LogValue::U64);
            let again = task.map(|task| task.attempt).filter(|attempt| *attempt > 1);
            let attempt = again.map(|attempt| LogValue::U64(attempt.into()));
            let pid = Some(LogValue::U64(worker.pid.into()));
            let host = place.map(|(host, _)| LogValue::Text(host.into()));
            let rank = place.map(|(_, rank)| LogValue::U64(rank as u64));
            let values = [text, index, pid, attempt, host, rank];
            let values = (0..).zip(values);
            let values = values.filter_map(|(field, value)| Some((field, value?)));
            let values = LogValues(values.collect());
            tell(dispatch, |dispatch| {
                if !dispatch.enabled(metadata) {
                    return None;
                }
                let id = with_values(metadata, &values, |values| match &caller {
                    Some(caller) => {
                        let attributes = Attributes::child_of(caller.clone(), metadata, values);
                        dispatch.new_span(&attributes)
                    }
                    None => dispatch.new_span(&Attributes::new_root(metadata, values)),
                });
                Some(id)
            })
        });
        Self {
            id: id.or_else(|| caller.map(|caller| dispatch.clone_span(&caller))),
            dispatch: dispatch.clone(),
        }
    }

    pub(super) fn enter(&self) {
        if let Some(id) = &self.id {
            with_default(&self.dispatch, || self.dispatch.enter(id));
        }
    }

    pub(super) fn exit(&self) {
        if let Some(id) = &self.id {
            with_default(&self.dispatch, || self.dispatch.exit(id));
        }
    }
}

#[cfg(feature = "tracing")]
impl Drop for Open {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            // With it may go spans that it is in, which subscribers look for in their thread.
            with_default(&self.dispatch, || self.dispatch.try_close(id));
        }
    }
}

/// The span of an item that runs in this thread, entered as long as this lives.
#[derive(Debug)]
pub(in crate::pool) struct InlineSpan {
    #[cfg(feature = "tracing")]
    open: Open,
}

impl InlineSpan {
    /// The span of the item at `place` of a chunk, which calls `function`; none if nobody wants to hear.
    pub(in crate::pool) fn new(chunk: &Chunk, place: u32, function: &'static str) -> Option<Self> {
        #[cfg(feature = "tracing")]
        {
            let context = super::Context::capture();
            if context.levels().tracing == 0 {
                return None;
            }
            let (dispatch, caller) = context.listener();
            let index = (chunk.numbering == Numbering::Items).then_some(chunk.first as u64);
            let task = Task {
                chunk: 0,
                place,
                function,
                index: index.map(|first| first + u64::from(place)),
                attempt: chunk.history.attempt,
            };
            let open = Open::of_task(&dispatch, caller, Some(&task), &Worker::own());
            open.enter();
            Some(Self { open })
        }
        #[cfg(not(feature = "tracing"))]
        {
            let _: (&Chunk, u32, &str, Option<Task>) = (chunk, place, function, None);
            None
        }
    }
}

#[cfg(feature = "tracing")]
impl Drop for InlineSpan {
    fn drop(&mut self) {
        self.open.exit();
    }
}

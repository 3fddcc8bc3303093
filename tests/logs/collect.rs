//! A subscriber that keeps what it hears.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// An event or a span.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) module: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) kinds: BTreeMap<String, &'static str>,
    /// The spans that it is in, outermost first.
    pub(crate) scope: Vec<Told>,
}

impl Told {
    pub(crate) fn message(&self) -> &str {
        self.fields.get("message").map_or("", |message| message)
    }
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<Told>,
    /// What became of spans: their names behind `new`, `enter`, `exit`, `close`.
    course: Vec<String>,
    open: Vec<(u64, &'static str)>,
    follows: Vec<(String, String)>,
}

/// What was heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Kept>>);

impl Heard {
    /// A subscriber for what is as important as that, or more.
    pub(crate) fn dispatch(&self, level: Level) -> Dispatch {
        let layer = self.clone().with_filter(LevelFilter::from_level(level));
        Dispatch::new(tracing_subscriber::registry().with(layer))
    }

    /// Makes that the subscriber of this thread.
    pub(crate) fn set_default(&self, level: Level) -> DefaultGuard {
        tracing::dispatcher::set_default(&self.dispatch(level))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Told> {
        self.kept().events.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept().events.len()
    }

    /// The only event with this message and this field.
    pub(crate) fn one(&self, message: &str, field: &str, value: impl ToString) -> Told {
        let value = value.to_string();
        let events = self.events();
        let is = |event: &&Told| event.message() == message && event.fields[field] == value;
        let mut found = events.iter().filter(is);
        match (found.next(), found.next()) {
            (Some(one), None) => one.clone(),
            other => panic!("{message} {field}={value}: {other:?} of {events:#?}"),
        }
    }

    /// What became of spans with this name, or of all but those of tasks.
    pub(crate) fn course(&self, name: Option<&str>) -> Vec<String> {
        let wanted = |step: &&String| match name {
            Some(name) => step.ends_with(&format!(" {name}")),
            None => !step.ends_with(" task"),
        };
        self.kept().course.iter().filter(wanted).cloned().collect()
    }

    /// The names of spans that are not closed.
    pub(crate) fn open(&self) -> Vec<&'static str> {
        self.kept().open.iter().map(|(_, name)| *name).collect()
    }

    pub(crate) fn follows(&self) -> Vec<(String, String)> {
        self.kept().follows.clone()
    }
}

/// What is heard of what `work` does, which has a subscriber of its own.
pub(crate) fn hear<R>(level: Level, work: impl FnOnce() -> R) -> (Heard, R) {
    let heard = Heard::default();
    let result = tracing::dispatcher::with_default(&heard.dispatch(level), work);
    (heard, result)
}

struct Fields<'a>(
    &'a mut BTreeMap<String, String>,
    &'a mut BTreeMap<String, &'static str>,
);

impl Fields<'_> {
    fn put(&mut self, field: &Field, kind: &'static str, value: impl ToString) {
        let name = field.name().to_owned();
        self.0.insert(name.clone(), value.to_string());
        self.1.insert(name, kind);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, "f64", value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, "i64", value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, "u64", value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, "i128", value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, "u128", value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, "bool", value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, "str", value);
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.put(field, "bytes", format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let (mut words, mut next) = (Vec::new(), Some(value));
        while let Some(error) = next {
            words.push(error.to_string());
            next = error.source();
        }
        self.put(field, "error", words.join(": "));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, "debug", format!("{value:?}"));
    }
}

impl Told {
    fn of(
        metadata: &'static tracing::Metadata<'static>,
        record: impl FnOnce(&mut dyn Visit),
    ) -> Self {
        let mut told = Self {
            name: metadata.name(),
            target: metadata.target(),
            level: *metadata.level(),
            module: metadata.module_path().map(str::to_owned),
            file: metadata.file().map(str::to_owned),
            line: metadata.line(),
            fields: BTreeMap::new(),
            kinds: BTreeMap::new(),
            scope: Vec::new(),
        };
        record(&mut Fields(&mut told.fields, &mut told.kinds));
        told
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Heard {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let told = Told::of(attributes.metadata(), |visit| attributes.record(visit));
        let mut kept = self.kept();
        kept.course.push(format!("new {}", told.name));
        kept.open.push((id.into_u64(), told.name));
        context.span(id).unwrap().extensions_mut().insert(told);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        let told: &mut Told = extensions.get_mut().unwrap();
        values.record(&mut Fields(&mut told.fields, &mut told.kinds));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let name = |id| context.span(id).unwrap().name().to_owned();
        self.kept().follows.push((name(id), name(follows)));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut told = Told::of(event.metadata(), |visit| event.record(visit));
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            told.scope
                .push(span.extensions().get::<Told>().unwrap().clone());
        }
        self.kept().events.push(told);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let name = context.span(id).unwrap().name();
        self.kept().course.push(format!("enter {name}"));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let name = context.span(id).unwrap().name();
        self.kept().course.push(format!("exit {name}"));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let name = context.span(&id).unwrap().name();
        let mut kept = self.kept();
        kept.course.push(format!("close {name}"));
        kept.open.retain(|(one, _)| *one != id.into_u64());
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.fields)
    }
}

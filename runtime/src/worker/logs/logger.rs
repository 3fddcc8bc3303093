//! The logger of a worker.

use std::sync::atomic::{AtomicBool, Ordering};

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};

use super::writer;
use crate::wire::log::{Budget, LogFrame, LogRecord, LogValue, MOST_FIELDS};

/// Has what is less important than this cost next to nothing from now on. At first it makes ours the logger of
/// the process, unless there is one.
pub(super) fn set_level(level: u8) {
    static TRIED: AtomicBool = AtomicBool::new(false);
    static OURS: AtomicBool = AtomicBool::new(false);
    if level > 0 && !TRIED.swap(true, Ordering::Relaxed) {
        // One of the program's own is where it wants to hear of its tasks.
        OURS.store(log::set_logger(&Teller).is_ok(), Ordering::Relaxed);
    }
    if OURS.load(Ordering::Relaxed) {
        log::set_max_level(match level {
            0 => LevelFilter::Off,
            1 => LevelFilter::Error,
            2 => LevelFilter::Warn,
            3 => LevelFilter::Info,
            4 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        });
    }
}

#[derive(Debug)]
struct Teller;

impl Log for Teller {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut budget = Budget::default();
        let message = budget.shown(*record.args());
        let target = budget.text(record.target());
        let mut pairs = Pairs {
            pairs: Vec::new(),
            budget,
        };
        // It ends early when there are too many.
        let _ = record.key_values().visit(&mut pairs);
        writer::write(&LogFrame::Log(LogRecord {
            level: record.level() as u8,
            target,
            module: record.module_path().map(Into::into),
            file: record.file().map(Into::into),
            line: record.line(),
            message,
            pairs: pairs.pairs,
            #[cfg(feature = "tracing")]
            span: super::subscriber::current(),
            #[cfg(not(feature = "tracing"))]
            span: None,
        }));
    }

    fn flush(&self) {}
}

struct Pairs {
    pairs: Vec<(std::borrow::Cow<'static, str>, LogValue<'static>)>,
    budget: Budget,
}

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if self.pairs.len() == MOST_FIELDS {
            return Err(Error::msg("more than travel"));
        }
        let mut kind = Kind {
            value: None,
            budget: &mut self.budget,
        };
        value.visit(&mut kind)?;
        if let Some(value) = kind.value {
            let key = self.budget.text(key.as_str()).into_owned();
            self.pairs.push((key.into(), value));
        }
        Ok(())
    }
}

struct Kind<'a> {
    value: Option<LogValue<'static>>,
    budget: &'a mut Budget,
}

impl<'v> VisitValue<'v> for Kind<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.value = Some(LogValue::Shown(self.budget.shown(format_args!("{value}"))));
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.value = Some(LogValue::U64(value));
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.value = Some(LogValue::I64(value));
        Ok(())
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), Error> {
        self.value = Some(LogValue::U128(value));
        Ok(())
    }

    fn visit_i128(&mut self, value: i128) -> Result<(), Error> {
        self.value = Some(LogValue::I128(value));
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.value = Some(LogValue::F64(value));
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.value = Some(LogValue::Bool(value));
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        let text = self.budget.text(value).into_owned();
        self.value = Some(LogValue::Text(text.into()));
        Ok(())
    }
}

//! Records of `log` that have travelled, for the logger of this process.

use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{Level, Record};

use super::player::Worker;
use super::source::Task;
use crate::wire::log::{LogRecord, LogValue, MOST_FIELDS};

/// Tells the logger.
pub(super) fn tell(record: &LogRecord<'_>, task: Option<&Task>, worker: &Worker) {
    let level = match record.level {
        1 => Level::Error,
        2 => Level::Warn,
        3 => Level::Info,
        4 => Level::Debug,
        5 => Level::Trace,
        _ => return,
    };
    let pairs = Pairs {
        record,
        task,
        worker,
    };
    // What is less important than the most that anybody wants is not for the logger, as in `log`'s macros.
    if level <= log::max_level() {
        log::logger().log(
            &Record::builder()
                .level(level)
                .target(&record.target)
                .module_path(record.module.as_deref())
                .file(record.file.as_deref())
                .line(record.line)
                .key_values(&pairs)
                .args(format_args!("{}", record.message))
                .build(),
        );
    }
}

/// What the record has itself, and where it is from.
struct Pairs<'a> {
    record: &'a LogRecord<'a>,
    task: Option<&'a Task>,
    worker: &'a Worker,
}

impl Source for Pairs<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        for (key, value) in self.record.pairs.iter().take(MOST_FIELDS) {
            visitor.visit_pair(Key::from_str(key), shown(value))?;
        }
        if let Some(task) = self.task {
            visitor.visit_pair(Key::from_str("function"), task.function.into())?;
            if let Some(index) = task.index {
                visitor.visit_pair(Key::from_str("item"), index.into())?;
            }
            if task.attempt > 1 {
                visitor.visit_pair(Key::from_str("attempt"), task.attempt.into())?;
            }
        }
        if let Some((host, rank)) = self.worker.place() {
            visitor.visit_pair(Key::from_str("host"), host.into())?;
            visitor.visit_pair(Key::from_str("rank"), rank.into())?;
        }
        visitor.visit_pair(Key::from_str("worker"), self.worker.pid.into())
    }
}

fn shown<'a>(value: &'a LogValue<'_>) -> Value<'a> {
    match value {
        LogValue::Bool(value) => (*value).into(),
        LogValue::I64(value) => (*value).into(),
        LogValue::U64(value) => (*value).into(),
        LogValue::I128(value) => Value::from(value),
        LogValue::U128(value) => Value::from(value),
        LogValue::F64(value) => (*value).into(),
        LogValue::Text(text) | LogValue::Shown(text) => (&**text).into(),
        LogValue::Bytes(bytes) => Value::from_dyn_debug(bytes),
        LogValue::Error(words) => words.first().map_or("", |words| words).into(),
    }
}

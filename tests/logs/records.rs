//! Records of `log`.

use std::collections::BTreeMap;
use std::sync::{Mutex, Once};

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record, error, info, trace};
use parproc::parallel;
use parproc_tests::{in_time, inline_pool, pool};

#[derive(Debug, Clone)]
struct Told {
    level: log::Level,
    target: String,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    message: String,
    pairs: BTreeMap<String, String>,
}

static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut pairs = Pairs(BTreeMap::new());
        record.key_values().visit(&mut pairs).unwrap();
        TOLD.lock().unwrap().push(Told {
            level: record.level(),
            target: record.target().to_owned(),
            module: record.module_path().map(str::to_owned),
            file: record.file().map(str::to_owned),
            line: record.line(),
            message: record.args().to_string(),
            pairs: pairs.0,
        });
    }

    fn flush(&self) {}
}

struct Pairs(BTreeMap<String, String>);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

/// What the logger was told with this target.
fn told(target: &str) -> Vec<Told> {
    let mut told = TOLD.lock().unwrap().clone();
    told.retain(|one| one.target == target);
    told
}

#[parallel]
fn write(target: &str, x: u64) {
    info!(target: target, x, text = "words", real = 0.5, yes = true; "record {x}");
    trace!(target: target, "not wanted");
    if x == 3 {
        error!(target: target, "last words");
        std::process::abort();
    }
}

#[test]
fn records_arrive_with_their_values_and_their_task() {
    in_time(|| {
        install();
        let target = "records_arrive";
        let outcomes = pool(2)
            .outcomes(write, (0..5).map(|x| (target, x)))
            .unwrap();
        assert_eq!(outcomes.iter().filter(|one| one.is_err()).count(), 1);
        let told = told(target);
        assert_eq!(told.len(), 6, "{told:?}");
        for x in 0..5 {
            let message = format!("record {x}");
            let record = told.iter().find(|one| one.message == message).unwrap();
            assert_eq!(record.level, log::Level::Info);
            assert_eq!(record.module.as_deref(), Some("logs::records"));
            assert_eq!(record.file.as_deref(), Some(file!()));
            assert!(record.line.is_some());
            let pair = |key| record.pairs.get(key).map(String::as_str);
            assert_eq!(pair("x"), Some(&*x.to_string()));
            assert_eq!(pair("text"), Some("words"));
            assert_eq!(pair("real"), Some("0.5"));
            assert_eq!(pair("yes"), Some("true"));
            assert_eq!(pair("function"), Some("logs::records::write"));
            assert_eq!(pair("item"), Some(&*x.to_string()));
            assert_ne!(pair("worker"), Some(&*std::process::id().to_string()));
            assert!(pair("worker").is_some());
        }
        assert!(told.iter().any(|one| one.message == "last words"));
    });
}

#[test]
fn records_of_an_inline_pool_come_once() {
    in_time(|| {
        install();
        inline_pool().map(write, [("records_inline", 1)]).unwrap();
        assert_eq!(told("records_inline").len(), 1);
    });
}

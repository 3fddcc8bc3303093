//! Places in the code, as `tracing` wants them: they live as long as the program.
//!
//! Those of the workers are the same as ours, since they run the same program, but they come as words, and a
//! worker may say anything. So each is made once, and so many at most.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use tracing_core::callsite::{Callsite, register};
use tracing_core::field::FieldSet;
use tracing_core::{Interest, Kind, Level, Metadata, identify_callsite};

use crate::wire::log::{LogSite, MOST_FIELDS};

/// Words of all sites in bytes, and so many sites: a program of millions of lines has fewer.
const MOST_WORDS: usize = 16 << 20;
const MOST_SITES: usize = 1 << 16;

/// The fields of the span of a task, in this order; the last two are for workers of nodes.
const TASK_FIELDS: [&str; 6] = ["function", "item", "worker", "attempt", "host", "rank"];
/// Without those.
const OWN_FIELDS: usize = 4;

static SITES: LazyLock<Mutex<Sites>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Sites {
    made: HashMap<LogSite<'static>, &'static Site>,
    words: usize,
}

/// A place whose description is made when the place is there.
#[derive(Debug, Default)]
struct Site(OnceLock<Metadata<'static>>);

impl Callsite for Site {
    // Subscribers are asked each time.
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0
            .get_or_init(|| unreachable!("it is set before others see the site"))
    }
}

/// The description of a site; none if it is impossible, or there are too many.
pub(super) fn metadata(site: &LogSite<'_>) -> Option<&'static Metadata<'static>> {
    let level = match site.level {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        5 => Level::TRACE,
        _ => return None,
    };
    if site.fields.len() > MOST_FIELDS {
        return None;
    }
    let made = {
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = sites.made.get(site) {
            return site.0.get();
        }
        let words = size(site);
        if sites.made.len() == MOST_SITES || sites.words + words > MOST_WORDS {
            return None;
        }
        sites.words += words;
        let made = make(site, level);
        sites.made.insert(owned(site), made);
        made
    };
    // Subscribers hear of it: not under the lock.
    register(made);
    made.0.get()
}

/// The description of the span of tasks that call `function`, here or on nodes.
///
/// It counts as being in the module of the function, for filters, and as important as anything.
pub(super) fn of_task(function: &'static str, away: bool) -> Option<&'static Metadata<'static>> {
    let path = function.split('<').next().unwrap_or_default();
    let fields = if away {
        &TASK_FIELDS[..]
    } else {
        &TASK_FIELDS[..OWN_FIELDS]
    };
    let module = path.rsplit_once("::").map_or(path, |(module, _)| module);
    metadata(&LogSite {
        span: true,
        level: 1,
        name: "task".into(),
        target: module.into(),
        module: Some(module.into()),
        file: None,
        line: None,
        fields: fields.iter().copied().map(Cow::Borrowed).collect(),
    })
}

fn make(site: &LogSite<'_>, level: Level) -> &'static Site {
    let made: &'static Site = Box::leak(Box::default());
    let fields: Vec<&'static str> = site.fields.iter().map(|field| leak(field)).collect();
    let fields = FieldSet::new(fields.leak(), identify_callsite!(made));
    let kind = if site.span { Kind::SPAN } else { Kind::EVENT };
    let metadata = Metadata::new(
        leak(&site.name),
        leak(&site.target),
        level,
        site.file.as_deref().map(leak),
        site.line,
        site.module.as_deref().map(leak),
        fields,
        kind,
    );
    // It was made just now.
    let _ = made.0.set(metadata);
    made
}

fn leak(words: &str) -> &'static str {
    words.to_owned().leak()
}

/// What it takes in memory, about.
fn size(site: &LogSite<'_>) -> usize {
    let optional = |words: &Option<Cow<'_, str>>| words.as_deref().map_or(0, str::len);
    let fields: usize = site.fields.iter().map(|field| field.len() + 64).sum();
    let words = site.name.len() + site.target.len() + optional(&site.module) + optional(&site.file);
    // One for `tracing`, one to be found by.
    2 * (words + fields) + 512
}

fn owned(site: &LogSite<'_>) -> LogSite<'static> {
    let own = |words: &Cow<'_, str>| Cow::Owned(words.clone().into_owned());
    LogSite {
        name: own(&site.name),
        target: own(&site.target),
        module: site.module.as_ref().map(own),
        file: site.file.as_ref().map(own),
        fields: site.fields.iter().map(own).collect(),
        ..*site
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_made_once() {
        let site = |level| LogSite {
            span: false,
            level,
            name: "name".into(),
            target: "target".into(),
            module: None,
            file: Some("file".into()),
            line: Some(7),
            fields: vec!["message".into(), "x".into()],
        };
        let first = metadata(&site(2)).unwrap();
        assert!(std::ptr::eq(first, metadata(&site(2)).unwrap()));
        assert!(!std::ptr::eq(first, metadata(&site(3)).unwrap()));
        assert_eq!((first.name(), first.line()), ("name", Some(7)));
        assert_eq!(first.fields().field("x").unwrap().index(), 1);
        assert!(metadata(&site(0)).is_none() && metadata(&site(6)).is_none());
    }

    #[test]
    fn a_task_is_in_the_module_of_its_function() {
        for (function, module) in [
            ("program::part::name", "program::part"),
            ("program::name<std::string::String>", "program"),
            ("name", "name"),
        ] {
            assert_eq!(of_task(function, false).unwrap().target(), module);
        }
    }
}

//! Spans of tasks: nested, recorded, left, closed, and under that of the caller.

use std::sync::{Arc, mpsc};

use parproc::parallel;
use parproc_tests::{in_time, pool};
use tracing::{Level, Span, field, info, info_span, instrument};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::collect::{Heard, hear};

#[instrument(fields(depth = n))]
fn recurse(n: u32) {
    if n == 0 {
        info!("bottom");
    } else {
        recurse(n - 1);
    }
}

#[parallel]
fn dive(n: u32) {
    recurse(n);
    info!("up");
}

#[test]
fn spans_are_nested_below_the_one_of_the_caller() {
    in_time(|| {
        let (heard, ()) = hear(Level::INFO, || {
            let outer = info_span!("outer", id = 1);
            let _outer = outer.enter();
            let inner = info_span!("inner");
            inner.in_scope(|| pool(1).map(dive, [2]).unwrap());
        });
        let events = heard.events();
        let bottom: Vec<_> = events[0].scope.iter().map(|span| span.name).collect();
        assert_eq!(
            bottom,
            ["outer", "inner", "task", "recurse", "recurse", "recurse"]
        );
        let depths: Vec<_> = events[0].scope[3..]
            .iter()
            .map(|span| &span.fields["depth"])
            .collect();
        assert_eq!(depths, ["2", "1", "0"]);
        let up: Vec<_> = events[1].scope.iter().map(|span| span.name).collect();
        assert_eq!(up, ["outer", "inner", "task"]);
        let steps = [
            "new", "enter", "new", "enter", "new", "enter", "exit", "close", "exit", "close",
            "exit", "close",
        ];
        let steps = steps.map(|step| format!("{step} recurse"));
        assert_eq!(heard.course(Some("recurse")), steps);
        assert_eq!(heard.course(Some("task")), ["new task", "close task"]);
        assert_eq!(heard.open(), Vec::<&str>::new());
    });
}

#[parallel]
fn record_later(x: u64) {
    let span = info_span!("late", result = field::Empty, before = x);
    let other = info_span!(parent: None, "other");
    span.follows_from(&other);
    let _entered = span.enter();
    span.record("result", 2 * x);
    info!("recorded");
    info!(parent: &other, "in other");
}

#[test]
fn values_are_recorded_later_and_parents_can_be_named() {
    in_time(|| {
        let (heard, _) = hear(Level::INFO, || pool(1).map(record_later, [21]).unwrap());
        let events = heard.events();
        let late = &events[0].scope[1];
        assert_eq!(
            (late.name, &*late.fields["result"], &*late.fields["before"]),
            ("late", "42", "21")
        );
        let names: Vec<_> = events[1].scope.iter().map(|span| span.name).collect();
        assert_eq!(names, ["task", "other"]);
        assert_eq!(heard.follows(), [("late".to_owned(), "other".to_owned())]);
    });
}

#[parallel]
fn in_threads(threads: u64) {
    let span = info_span!("whole");
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let span = span.clone();
            scope.spawn(move || {
                let own = info_span!(parent: &span, "part", thread);
                own.in_scope(|| info!(thread, "in a thread"));
            });
        }
    });
}

#[test]
fn further_threads_of_a_task_are_heard() {
    in_time(|| {
        let (heard, _) = hear(Level::INFO, || pool(2).map(in_threads, [8, 8]).unwrap());
        assert_eq!(heard.len(), 16);
        for event in heard.events() {
            let names: Vec<_> = event.scope.iter().map(|span| span.name).collect();
            assert_eq!(names, ["task", "whole", "part"]);
            assert_eq!(event.scope[2].fields["thread"], event.fields["thread"]);
        }
        assert_eq!(heard.open(), Vec::<&str>::new());
    });
}

#[parallel]
fn below(level: bool) {
    let unheard = tracing::debug_span!("unheard");
    let _entered = unheard.enter();
    let span = info_span!("heard");
    let _entered = span.enter();
    info!(level, "deep");
}

/// Wants to hear of everything, but not of spans called `unheard`.
#[test]
fn a_span_that_is_not_wanted_leaves_no_gap() {
    use tracing_subscriber::filter::filter_fn;

    in_time(|| {
        let heard = Heard::default();
        let layer = heard
            .clone()
            .with_filter(filter_fn(|metadata| metadata.name() != "unheard"));
        let dispatch = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(dispatch, || pool(1).map(below, [true]).unwrap());
        let event = &heard.events()[0];
        let names: Vec<_> = event.scope.iter().map(|span| span.name).collect();
        assert_eq!(names, ["task", "heard"]);
    });
}

#[parallel]
fn leave_open(how: u8) {
    let span = info_span!("open");
    let entered = span.enter();
    info!("inside");
    match how {
        0 => std::process::abort(),
        1 => std::process::exit(0),
        2 => {
            std::mem::forget(entered);
            std::mem::forget(span);
        }
        _ => panic!("within a span"),
    }
}

#[test]
fn what_a_worker_leaves_open_is_closed_with_it() {
    in_time(|| {
        for how in 0..4 {
            let (heard, _) = hear(Level::INFO, || {
                let pool = pool(1);
                let outcomes = pool.outcomes(leave_open, [how]).unwrap();
                assert_eq!(outcomes[0].is_ok(), how == 2);
                drop(pool);
            });
            assert_eq!(heard.len(), 1);
            let steps = ["new open", "enter open", "exit open", "close open"];
            assert_eq!(heard.course(None), steps, "{how}");
            assert_eq!(heard.open(), Vec::<&str>::new());
        }
    });
}

#[test]
fn the_span_of_the_caller_closes_with_its_last_handle() {
    in_time(|| {
        let pool = pool(2);
        let (heard, ()) = hear(Level::INFO, || {
            let span = info_span!("calling");
            span.in_scope(|| {
                pool.map(dive, [1, 1]).unwrap();
                pool.spawn(dive, 1).unwrap().join().unwrap();
                // Not waited for to the end.
                pool.imap(dive, [1; 9]).unwrap().next().unwrap().unwrap();
            });
            assert_eq!(
                Span::current().metadata().map(|metadata| metadata.name()),
                None
            );
        });
        pool.shutdown().unwrap();
        assert_eq!(
            heard.course(Some("calling")).last().unwrap(),
            "close calling"
        );
        assert_eq!(heard.open(), Vec::<&str>::new());
    });
}

#[parallel]
fn wait_for(path: &str) {
    while !std::path::Path::new(path).exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Uses the pool when a span closes.
struct OnClose(Arc<dyn Fn() + Send + Sync>);

impl<S: tracing::Subscriber> Layer<S> for OnClose {
    fn on_close(&self, _: tracing::span::Id, _: Context<'_, S>) {
        (self.0)();
    }
}

/// The chunk of a task that was taken back keeps the span open to the worker's next result.
#[test]
fn a_subscriber_can_use_the_pool_when_the_span_of_the_caller_closes() {
    in_time(|| {
        let (folder, pool) = (tempfile::tempdir().unwrap(), Arc::new(pool(1)));
        let path = folder.path().join("go").to_str().unwrap().to_owned();
        pool.map(dive, [0]).unwrap();
        let busy = pool.spawn(wait_for, &*path).unwrap();
        let (own, closed) = (Arc::clone(&pool), mpsc::channel());
        let (tell, go) = (closed.0, path.clone());
        let close = OnClose(Arc::new(move || {
            let task = own.spawn(wait_for, &*go);
            tell.send(task.is_ok()).unwrap();
        }));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(close), || {
            let task = info_span!("calling").in_scope(|| pool.job(dive).seed(3).spawn(0).unwrap());
            task.cancel();
            drop(task);
        });
        std::fs::write(&path, "").unwrap();
        busy.join().unwrap();
        pool.map(dive, [0]).unwrap();
        assert!(closed.1.recv().unwrap());
    });
}

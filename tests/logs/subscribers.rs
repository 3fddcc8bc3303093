//! Subscribers that are slow, that panic, that use the pool; and those that tasks set themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parproc::{Pool, parallel};
use parproc_tests::{LIMIT, in_time, pool, within};
use tracing::{Event, Level, Subscriber, info};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::collect::hear;

#[parallel]
fn chatter(item: u64, words: u64) -> u64 {
    for word in 0..words {
        info!(item, word, "chatter");
    }
    item
}

/// Does something with each event.
struct Each<F>(F);

impl<S: Subscriber, F: Fn(&Event<'_>) + 'static> Layer<S> for Each<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        (self.0)(event);
    }
}

fn with_each<R>(each: impl Fn(&Event<'_>) + Send + Sync + 'static, work: impl FnOnce() -> R) -> R {
    let subscriber = tracing_subscriber::registry().with(Each(each));
    tracing::subscriber::with_default(subscriber, work)
}

#[test]
fn a_slow_subscriber_is_waited_for() {
    within(3 * LIMIT, || {
        let heard = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&heard);
        let slow = move |_: &Event<'_>| {
            std::thread::sleep(Duration::from_micros(200));
            count.fetch_add(1, Ordering::SeqCst);
        };
        with_each(slow, || {
            // More than waits in pipes and in memory.
            let items = pool(2)
                .map(chatter, (0..10).map(|item| (item, 1000)))
                .unwrap();
            assert_eq!(items.len(), 10);
            assert_eq!(heard.load(Ordering::SeqCst), 10_000);
        });
    });
}

#[test]
fn a_subscriber_that_panics_costs_nothing_but_that() {
    in_time(|| {
        let heard = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&heard);
        let panics = move |_: &Event<'_>| {
            if count.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
                // Without a message on the screen.
                std::panic::resume_unwind(Box::new("subscriber"));
            }
        };
        let items = with_each(panics, || {
            pool(2).map(chatter, (0..10).map(|item| (item, 10)))
        });
        assert_eq!(items.unwrap().len(), 10);
        assert_eq!(heard.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn a_subscriber_can_use_the_pool() {
    in_time(|| {
        let pool = Arc::new(OnceLock::<Pool>::new());
        let (own, sum) = (Arc::clone(&pool), Arc::new(AtomicU64::new(0)));
        let total = Arc::clone(&sum);
        let calls = move |_: &Event<'_>| {
            // Its items log far more than a pipe holds: nobody hears that.
            let items = own
                .get()
                .unwrap()
                .map(chatter, [(1, 3000), (2, 3000)])
                .unwrap();
            total.fetch_add(items.iter().sum(), Ordering::SeqCst);
        };
        with_each(calls, || {
            let workers = pool.get_or_init(|| parproc_tests::pool(2));
            workers.map(chatter, [(0, 5), (0, 5), (0, 5)]).unwrap();
            assert_eq!(sum.load(Ordering::SeqCst), 45);
        });
    });
}

/// All workers wait for room in their pipes, and the subscriber for a worker.
#[test]
fn a_subscriber_can_use_the_pool_while_its_workers_log_without_end() {
    within(3 * LIMIT, || {
        let pool = Arc::new(OnceLock::<Pool>::new());
        let own = Arc::clone(&pool);
        let (heard, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (seen, told) = (Arc::clone(&heard), Arc::clone(&count));
        let calls = move |_: &Event<'_>| {
            if seen.fetch_add(1, Ordering::SeqCst).is_multiple_of(10_000) {
                told.fetch_add(
                    own.get().unwrap().map(chatter, [(1, 0)]).unwrap()[0],
                    Ordering::SeqCst,
                );
            }
        };
        with_each(calls, || {
            let workers = pool.get_or_init(|| parproc_tests::pool(2));
            workers.map(chatter, [(0, 20_000), (0, 20_000)]).unwrap();
            assert_eq!(heard.load(Ordering::SeqCst), 40_000);
            assert_eq!(count.load(Ordering::SeqCst), 4);
        });
    });
}

/// As many programs do with standard output.
#[test]
fn a_subscriber_that_waits_for_the_caller_does_not_stop_it() {
    in_time(|| {
        let lock = Arc::new(std::sync::Mutex::new(0));
        let own = Arc::clone(&lock);
        let waits = move |_: &Event<'_>| *own.lock().unwrap() += 1;
        let pool = pool(1);
        with_each(waits, || {
            let held = lock.lock().unwrap();
            assert_eq!(pool.map(chatter, [(1, 10), (2, 10)]).unwrap(), [1, 2]);
            assert_eq!(*held, 0);
            drop(held);
        });
        drop(pool);
        assert_eq!(*lock.lock().unwrap(), 20);
    });
}

#[parallel]
fn long_chatter(events: u64) -> u64 {
    let text = "x".repeat(400_000);
    for _ in 0..events {
        info!(text, "long");
    }
    events
}

/// More than the pipe and the memory that waits hold, before the first result; and more than is ever kept.
#[test]
fn a_subscriber_that_waits_for_the_caller_does_not_stop_a_lazy_call() {
    in_time(|| {
        for (events, lost) in [(10, false), (100, true)] {
            let lock = Arc::new(std::sync::Mutex::new((0, 0)));
            let own = Arc::clone(&lock);
            let waits = move |event: &Event<'_>| {
                let mut counts = own.lock().unwrap();
                match event.metadata().target() {
                    "parproc" => counts.1 += 1,
                    _ => counts.0 += 1,
                }
            };
            let pool = pool(1);
            with_each(waits, || {
                let held = lock.lock().unwrap();
                let results = pool.imap(long_chatter, [events]).unwrap();
                assert_eq!(results.map(Result::unwrap).sum::<u64>(), events);
                drop(held);
            });
            drop(pool);
            let (heard, warnings) = *lock.lock().unwrap();
            assert_eq!((heard < events, warnings), (lost, u64::from(lost)));
            assert!(heard >= events.min(70), "{heard}");
        }
    });
}

static OWN: AtomicU64 = AtomicU64::new(0);

/// A subscriber of the worker's own.
#[parallel]
fn install() {
    info!("before");
    let own = Each(|_: &Event<'_>| {
        OWN.fetch_add(1, Ordering::SeqCst);
    });
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(own)).unwrap();
}

#[parallel]
fn own() -> u64 {
    info!("for the worker's own");
    OWN.load(Ordering::SeqCst)
}

#[test]
fn a_subscriber_of_the_workers_own_is_left_alone() {
    in_time(|| {
        let (heard, counts) = hear(Level::INFO, || {
            let pool = Pool::builder()
                .workers(1)
                .init(install, ())
                .build()
                .unwrap();
            pool.map(own, [(), ()]).unwrap()
        });
        assert_eq!(counts, [1, 2]);
        let events = heard.events();
        assert_eq!(events.len(), 0, "{events:?}");
    });
}

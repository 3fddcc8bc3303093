//! What processes share, on its way with arguments and results, when descriptors are scarce or gone.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use parproc::channel::{Receiver, Sender, channel};
use parproc::{Pool, Resource, Shared, SharedCell, parallel, wait_any};
use parproc_tests::{pool, within};
use rustix::process::Resource::Nofile;
use rustix::process::{getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

const LIMIT: Duration = Duration::from_secs(60);

#[parallel]
fn count(all: Vec<Shared<String>>) -> usize {
    all.len()
}

#[parallel]
fn length(text: Shared<String>) -> usize {
    text.len()
}

/// Says that it runs, and goes on until nobody can send any more.
#[parallel]
fn wait_for_end(started: Sender<()>, end: Receiver<()>) {
    started.send(()).unwrap();
    end.recv().unwrap_err();
}

fn shared(text: &str) -> Shared<String> {
    Shared::new(text.to_owned()).unwrap()
}

#[test]
fn many_things_that_a_busy_worker_keeps_can_be_dropped() {
    within(LIMIT, || {
        let pool = pool(1);
        let all: Vec<_> = (0..600).map(|n| shared(&n.to_string())).collect();
        let counted = pool.spawn(count, all.clone()).unwrap().join();
        assert_eq!(counted.unwrap(), 600);

        let (started, has_started) = channel().unwrap();
        let (end, until) = channel::<()>().unwrap();
        let busy = pool.spawn(wait_for_end, (started, until)).unwrap();
        has_started.recv().unwrap();
        drop(all);
        let next = pool.spawn(length, shared("hello")).unwrap();
        drop(end);
        busy.join().unwrap();
        assert_eq!(next.join().unwrap(), 5);
    });
}

#[parallel]
fn make(count: u64) -> Vec<SharedCell<u64>> {
    let made = (0..count).map(SharedCell::new);
    made.collect::<Result<_, _>>().unwrap_or_default()
}

#[test]
fn a_result_names_more_than_a_socket_holds() {
    within(LIMIT, || {
        let limit = getrlimit(Nofile);
        if limit.current.is_some_and(|most| most < 30_000) {
            println!("skipped: too few descriptors: {limit:?}");
            return;
        }
        let cells = pool(1).spawn(make, 13_000).unwrap().join().unwrap();
        assert_eq!(cells.len(), 13_000);
        assert!((0..).zip(&cells).all(|(n, cell)| cell.load() == n));
    });
}

#[test]
fn a_worker_without_descriptors_fails_the_item_and_goes_on() {
    within(LIMIT, || {
        let builder = Pool::builder().workers(1);
        let pool = builder.rlimit(Resource::OpenFiles, 40).build().unwrap();
        let all: Vec<_> = (0..100).map(|n| shared(&n.to_string())).collect();
        let error = pool.spawn(count, all).unwrap().join().unwrap_err();
        assert!(error.task().unwrap().is_decode(), "{error}");
        assert!(error.to_string().contains("descriptors"), "{error}");
        let few: Vec<_> = (0..10).map(|n| shared(&n.to_string())).collect();
        assert_eq!(pool.spawn(count, few).unwrap().join().unwrap(), 10);
        let error = pool.spawn(make, 100).unwrap().join().unwrap();
        assert_eq!(error.len(), 0, "it cannot make so many");
    });
}

#[parallel]
fn close_all() {
    for fd in 3..1024 {
        // SAFETY: this is what careless daemons do; the worker has to live with it.
        #[expect(unsafe_code, reason = "descriptors of others are closed")]
        unsafe {
            libc::close(fd)
        };
    }
}

#[test]
fn a_task_that_closes_every_descriptor_fails_later_items_and_hangs_none() {
    within(LIMIT, || {
        let pool = pool(1);
        pool.spawn(close_all, ()).unwrap().join().unwrap();
        let outcome = pool.spawn(length, shared("hello")).unwrap().join();
        // The worker may be gone altogether: it is the task that is to blame.
        if let Err(error) = outcome {
            assert!(error.is_task(), "{error}");
        }
    });
}

static POOL: OnceLock<Pool> = OnceLock::new();

/// A value that uses the pool while it is dropped.
#[derive(Debug, Serialize, Deserialize)]
struct Loud(u64);

impl Drop for Loud {
    fn drop(&mut self) {
        // In workers there is no such pool.
        if let Some(pool) = POOL.get() {
            let text = Shared::new("said".to_owned()).unwrap();
            assert_eq!(pool.spawn(length, text).unwrap().join().unwrap(), 4);
        }
    }
}

#[parallel]
fn echo(loud: Shared<Loud>) -> Shared<Loud> {
    loud
}

#[test]
fn the_last_handle_may_be_dropped_with_news_that_nobody_wants() {
    within(LIMIT, || {
        let pool = POOL.get_or_init(|| pool(1));
        let loud = Shared::new(Loud(7)).unwrap();
        assert_eq!(loud.0, 7);
        let task = pool.spawn(echo, loud.clone()).unwrap();
        wait_any(std::slice::from_ref(&task)).unwrap();
        drop(loud);
        drop(task);
        let text = shared("and it goes on");
        assert_eq!(pool.spawn(length, text).unwrap().join().unwrap(), 14);
    });
}

#[parallel]
fn limit_descriptors(most: u64) {
    let mut limit = getrlimit(Nofile);
    limit.current = Some(most);
    setrlimit(Nofile, limit).unwrap();
}

#[test]
fn what_did_not_get_through_for_lack_of_descriptors_is_sent_again() {
    within(LIMIT, || {
        let pool = pool(1);
        let all: Vec<_> = (0..50).map(|n| shared(&n.to_string())).collect();
        pool.spawn(limit_descriptors, 20).unwrap().join().unwrap();
        let error = pool.spawn(count, all.clone()).unwrap().join().unwrap_err();
        assert!(error.task().unwrap().is_decode(), "{error}");
        pool.spawn(limit_descriptors, 1000).unwrap().join().unwrap();
        assert_eq!(pool.spawn(count, all).unwrap().join().unwrap(), 50);
    });
}

thread_local! {
    static GOODBYE: RefCell<Option<Goodbye>> = const { RefCell::new(None) };
}

struct Goodbye(Sender<String>);

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.0.send("goodbye".to_owned()).unwrap();
    }
}

#[test]
fn a_thread_can_send_while_it_ends() {
    within(LIMIT, || {
        let (sender, receiver) = channel().unwrap();
        let thread = std::thread::spawn(move || {
            // Sending needs values of the thread that are made later, and so go first.
            GOODBYE.set(Some(Goodbye(sender.clone())));
            sender.send("hello".to_owned()).unwrap();
        });
        thread.join().unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), ["hello", "goodbye"]);
    });
}

//! A task as a future: on several runtimes, with wakers of all kinds, at the end of its pool.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, or, poll_once, yield_now};
use parproc::{Task, parallel};
use parproc_tests::{Meeting, Tally, in_time, inline_pool, meet, note, pool};

#[path = "futures/executors.rs"]
mod executors;
#[path = "futures/wakers.rs"]
mod wakers;

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[parallel]
fn wait_at(meeting: &str, word: u64) -> u64 {
    meet(meeting, word);
    word
}

#[parallel]
fn noted_after(meeting: &str, path: &str, word: u64) {
    meet(meeting, word);
    note(path, word);
}

#[parallel]
fn bad(how: u8) -> u8 {
    match how {
        0 => panic!("bad task"),
        1 => process::exit(9),
        _ => how,
    }
}

/// A waker that does something.
struct Does<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

fn waker(does: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(does)))
}

fn poll<R>(task: &mut Task<R>, waker: &Waker) -> Poll<parproc::Result<R>>
where
    Task<R>: Future<Output = parproc::Result<R>>,
{
    Pin::new(task).poll(&mut Context::from_waker(waker))
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().build().unwrap()
}

/// Whatever its result is, a task goes anywhere.
#[test]
fn a_task_is_send_sync_and_unpin() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<Task<u8>>();
    check::<Task<*const u8>>();
    check::<Task<std::cell::Cell<std::rc::Rc<u8>>>>();
    check::<parproc::AsCompleted<*const u8>>();
}

#[test]
fn a_task_is_awaited() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            for x in 0..200 {
                let task = pool.spawn(add, (x, 1)).unwrap();
                assert_eq!(block_on(task).unwrap(), x + 1);
            }
        }
    });
}

#[test]
fn the_failure_of_a_task_is_awaited() {
    in_time(|| {
        let pool = pool(2);
        let panic = block_on(pool.spawn(bad, 0).unwrap()).unwrap_err();
        assert_eq!(panic.task().unwrap().panic_message(), Some("bad task"));
        let crash = block_on(pool.spawn(bad, 1).unwrap()).unwrap_err();
        assert_eq!(crash.task().unwrap().exit_code(), Some(9));
        assert_eq!(block_on(pool.spawn(bad, 2).unwrap()).unwrap(), 2);
    });
}

#[test]
fn many_tasks_are_awaited_by_a_runtime() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let sum: u64 = runtime().block_on(async {
            let spawn = |x| tokio::spawn(pool.spawn(add, (x, 1)).unwrap());
            let tasks: Vec<_> = (0..2000).map(spawn).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap().unwrap();
            }
            sum
        });
        assert_eq!(sum, 2000 * 2001 / 2);
    });
}

#[test]
fn async_code_submits_as_it_awaits() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let sum: u64 = runtime().block_on(async {
            let chain = |start| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    let mut value = start;
                    for _ in 0..100 {
                        value = pool.spawn(add, (value, 1)).unwrap().await.unwrap();
                    }
                    value
                })
            };
            let chains: Vec<_> = (0..10).map(chain).collect();
            let mut sum = 0;
            for chain in chains {
                sum += chain.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 45 + 10 * 100);
    });
}

#[test]
fn the_runtime_gives_up_a_task_and_takes_it_up_again() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 4)).unwrap();
        let guest = meeting.wait();
        runtime().block_on(async {
            for _ in 0..3 {
                let limit = Duration::from_millis(2);
                assert!(tokio::time::timeout(limit, &mut task).await.is_err());
            }
            drop(guest);
            assert_eq!(task.await.unwrap(), 4);
        });
    });
}

#[test]
fn the_first_of_two_tasks_wins() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 4)).unwrap();
        let guest = meeting.wait();
        let quick = pool.spawn(add, (1, 2)).unwrap();
        let first = runtime().block_on(async {
            tokio::select! {
                slow = slow => slow,
                quick = quick => quick,
            }
        });
        assert_eq!(first.unwrap(), 3);
        assert!(!guest.process.has_ended(), "the other one is detached");
    });
}

#[test]
fn dropping_a_pending_future_detaches_the_task() {
    in_time(|| {
        let pool = pool(1);
        let (meeting, tally) = (Meeting::new(), Tally::new());
        let arguments = (meeting.name(), tally.path(), 1);
        let mut task = pool.spawn(noted_after, arguments).unwrap();
        let guest = meeting.wait();
        let woken = Arc::new(Does(|| ()));
        assert!(poll(&mut task, &Waker::from(Arc::clone(&woken))).is_pending());
        assert_eq!(Arc::strong_count(&woken), 2, "the waker is kept");
        drop(task);
        assert_eq!(Arc::strong_count(&woken), 1, "the waker is dropped");
        drop(guest);
        pool.shutdown().unwrap();
        assert_eq!(tally.total(), 1, "the task has run");
    });
}

#[test]
fn polling_after_the_end_is_an_error() {
    in_time(|| {
        for pool in [pool(1), inline_pool()] {
            let mut task = pool.spawn(add, (1, 1)).unwrap();
            assert_eq!(block_on(&mut task).unwrap(), 2);
            for _ in 0..2 {
                let error = block_on(&mut task).unwrap_err();
                assert!(error.to_string().contains("earlier join"), "{error}");
            }
            assert!(task.is_finished());
            assert!(task.try_join().is_err());
        }
    });
}

#[test]
fn a_polled_task_is_joined() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 6)).unwrap();
        let guest = meeting.wait();
        assert!(block_on(poll_once(&mut task)).is_none());
        assert!(task.try_join().unwrap().is_none());
        let join = thread::spawn(|| task.join());
        drop(guest);
        assert_eq!(join.join().unwrap().unwrap(), 6);
    });
}

#[test]
fn futures_end_when_their_pool_is_dropped() {
    in_time(|| {
        for _ in 0..20 {
            let pool = pool(1);
            let meeting = Meeting::new();
            let running = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
            let queued = pool.spawn(add, (1, 1)).unwrap();
            let _guest = meeting.wait();
            let mut pinned = (Box::pin(running), Box::pin(queued));
            assert!(block_on(poll_once(&mut pinned.0)).is_none());
            let (running, queued) = pinned;
            let awaits = [
                thread::spawn(move || block_on(running)),
                thread::spawn(move || block_on(queued)),
            ];
            drop(pool);
            for awaited in awaits {
                assert!(awaited.join().unwrap().unwrap_err().is_closed());
            }
        }
    });
}

#[test]
fn a_shutdown_finishes_what_is_awaited() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let task = pool.spawn(wait_at, (meeting.name(), 5)).unwrap();
        let guest = meeting.wait();
        let awaited = thread::spawn(|| block_on(task));
        thread::scope(|scope| {
            let shutdown = scope.spawn(|| pool.shutdown());
            while pool.spawn(add, (1, 1)).is_ok() {
                thread::yield_now();
            }
            drop(guest);
            shutdown.join().unwrap().unwrap();
        });
        assert_eq!(awaited.join().unwrap().unwrap(), 5);
    });
}

#[test]
fn a_worker_that_is_killed_wakes_who_awaits() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let task = pool.spawn(wait_at, (meeting.name(), 5)).unwrap();
        let guest = meeting.wait();
        let awaited = thread::spawn(|| block_on(task));
        guest.process.kill();
        let error = awaited.join().unwrap().unwrap_err();
        assert_eq!(error.task().unwrap().signal(), Some(9), "{error}");
    });
}

/// The thread that joins moves results too, and now and then leaves that to others.
#[test]
fn awaits_beside_joins() {
    in_time(|| {
        let pool = pool(2);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(pool.spawn(add, (1, 1)).unwrap().join().unwrap(), 2);
                    }
                });
            }
            let awaits: Vec<_> = (0..8)
                .map(|start| {
                    let pool = &pool;
                    scope.spawn(move || {
                        block_on(async {
                            for x in 0..100 {
                                let one = pool.spawn(add, (x, start)).unwrap();
                                let two = pool.spawn(add, (x, start)).unwrap();
                                let first = or(one, async {
                                    yield_now().await;
                                    two.await
                                })
                                .await;
                                assert_eq!(first.unwrap(), x + start);
                            }
                        });
                    })
                })
                .collect();
            for awaited in awaits {
                awaited.join().unwrap();
            }
            over.store(true, Ordering::Relaxed);
        });
    });
}

/// Nothing holds the result back until somebody happens to look.
#[test]
fn an_await_takes_little_more_than_a_join() {
    fn median(mut one: impl FnMut()) -> Duration {
        let mut times: Vec<_> = (0..300)
            .map(|_| {
                let begin = Instant::now();
                one();
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    in_time(|| {
        let pool = pool(1);
        let spawn = || pool.spawn(add, (1, 1)).unwrap();
        assert_eq!(spawn().join().unwrap(), 2);
        let joins = median(|| assert_eq!(spawn().join().unwrap(), 2));
        let awaits = median(|| assert_eq!(block_on(spawn()).unwrap(), 2));
        println!("join {joins:?}, await {awaits:?}");
        assert!(awaits < 5 * joins + Duration::from_millis(1));
    });
}

#[test]
fn a_future_that_is_polled_without_end_is_done_at_some_time() {
    in_time(|| {
        let pool = pool(1);
        let mut task = pin!(pool.spawn(add, (2, 2)).unwrap());
        let polls = AtomicUsize::new(0);
        let result = block_on(poll_fn(|context| {
            polls.fetch_add(1, Ordering::Relaxed);
            context.waker().wake_by_ref();
            task.as_mut().poll(context)
        }));
        assert_eq!(result.unwrap(), 4);
        assert!(polls.into_inner() > 0);
    });
}

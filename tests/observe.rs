//! Events: what a pool tells of calls, items and workers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use parproc::observe::{Event, EventKind, FailureKind, Interest, Observer};
use parproc::{Backoff, Pool, parallel};
use parproc_tests::{LIMIT, Meeting, meet, within};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn text(x: u64) -> String {
    "x".repeat(x as usize)
}

#[parallel]
fn hostile(x: u64) -> u64 {
    match x % 10 {
        3 => panic!("three"),
        7 => std::process::abort(),
        _ => x,
    }
}

#[parallel]
fn dies_at_first(tally: String) -> u64 {
    parproc_tests::note(&tally, "tried");
    if std::fs::read_to_string(&tally).unwrap().lines().count() < 3 {
        std::process::abort();
    }
    7
}

#[parallel]
fn comes(meeting: &str) {
    meet(meeting, 0);
}

#[parallel]
fn opens() {}

/// Keeps all that it is told.
#[derive(Clone, Default)]
struct Log {
    events: Arc<Mutex<Vec<Event>>>,
    finished: Arc<Mutex<u32>>,
    times: bool,
}

impl Log {
    fn timed() -> Self {
        Self {
            times: true,
            ..Self::default()
        }
    }

    fn kinds(&self) -> Vec<EventKind> {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| event.kind.clone()).collect()
    }

    fn finished(&self) -> u32 {
        *self.finished.lock().unwrap()
    }

    fn done(&self) -> usize {
        let counts = self.kinds().into_iter().map(|kind| match kind {
            EventKind::ItemsDone { count, .. } => count,
            _ => 0,
        });
        counts.sum()
    }

    /// Those that were started and have not ended, as far as that was told.
    fn workers(&self) -> Vec<u32> {
        let mut workers = Vec::new();
        for kind in self.kinds() {
            match kind {
                EventKind::WorkerStarted { pid, .. } => workers.push(pid),
                EventKind::WorkerEnded { pid, .. } => workers.retain(|other| *other != pid),
                _ => {}
            }
        }
        workers
    }

    fn failed(&self, wanted: FailureKind) -> usize {
        let is_wanted = |kind: &EventKind| matches!(kind, EventKind::ItemFailed { failure, retried: false, .. } if *failure == wanted);
        self.kinds().iter().filter(|kind| is_wanted(kind)).count()
    }
}

impl Observer for Log {
    fn interest(&self) -> Interest {
        if self.times {
            Interest::ITEM_TIMES
        } else {
            Interest::USUAL
        }
    }

    fn observe(&mut self, events: &[Event]) {
        self.events.lock().unwrap().extend_from_slice(events);
    }

    fn finish(&mut self) {
        *self.finished.lock().unwrap() += 1;
    }
}

#[test]
fn every_item_is_told_once_before_the_call_returns() {
    let pool = Pool::builder().workers(2).build().unwrap();
    for items in [0, 1, 7, 100_000] {
        let log = Log::default();
        let job = pool.job(square).observe(log.clone());
        assert_eq!(job.map(0..items).unwrap().len(), items as usize);
        assert_eq!(log.done(), items as usize);
        assert_eq!(log.finished(), 1);
        let mut kinds = log.kinds();
        // Nodes are there whatever is called.
        kinds.retain(|kind| !matches!(kind, EventKind::NodeJoined { .. }));
        assert!(
            matches!(kinds[0], EventKind::CallStarted { items: Some(told), function, .. }
                if told == items as usize && function.ends_with("square")),
            "{kinds:?}"
        );
        assert!(matches!(kinds.last(), Some(EventKind::CallEnded { .. })));
        let calls: Vec<_> = kinds.iter().filter_map(EventKind::call).collect();
        assert!(calls.iter().all(|call| *call == calls[0]));
    }
}

#[test]
fn times_of_all_items_are_told_if_that_is_wanted() {
    let pool = Pool::builder().workers(2).build().unwrap();
    for items in [1, 1000, 30_000] {
        let log = Log::timed();
        let job = pool.job(text).observe(log.clone());
        let texts = job.map((0..items).map(|x| x % 100)).unwrap();
        assert!(texts.iter().zip(0..).all(|(text, x)| text.len() == x % 100));
        let mut indices = Vec::new();
        for kind in log.kinds() {
            if let EventKind::ItemsTimed { spans, .. } = kind {
                for span in spans {
                    assert!(span.began > 0 && span.total() < 60_000_000_000, "{span:?}");
                    assert!(!span.failed && span.bytes >= span.index % 100, "{span:?}");
                    indices.push(span.index);
                }
            }
        }
        indices.sort_unstable();
        assert!(indices.iter().copied().eq(0..items as usize));
    }
    let log = Log::default();
    pool.job(square).observe(log.clone()).map(0..1000).unwrap();
    let timed = |kind: &EventKind| matches!(kind, EventKind::ItemsTimed { .. });
    assert!(!log.kinds().iter().any(timed), "nobody wanted it any more");
}

#[test]
fn numbers_and_large_values_have_times_too() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let log = Log::timed();
    let squares = pool.job(square).observe(log.clone()).map(0..5000).unwrap();
    assert_eq!(squares[4999], 4999 * 4999);
    pool.job(text)
        .observe(log.clone())
        .map([5_000_000, 0, 70_000])
        .unwrap();
    let spans = log.kinds().into_iter().map(|kind| match kind {
        EventKind::ItemsTimed { spans, .. } => spans.len(),
        _ => 0,
    });
    assert_eq!(spans.sum::<usize>(), 5003);
}

#[test]
fn failures_are_told_with_their_reports() {
    let log = Log::timed();
    let pool = Pool::builder()
        .workers(2)
        .observe(log.clone())
        .build()
        .unwrap();
    let outcomes = pool.outcomes(hostile, 0..40).unwrap();
    assert_eq!(outcomes.iter().filter(|one| one.is_err()).count(), 8);
    drop(pool);
    assert_eq!(log.done(), 32);
    assert_eq!(log.failed(FailureKind::Panic), 4);
    assert_eq!(log.failed(FailureKind::Crash), 4);
    let mut told = Vec::new();
    let mut unexpected = 0;
    for kind in log.kinds() {
        match kind {
            EventKind::ItemFailed {
                index,
                report,
                worker,
                attempt,
                ..
            } => {
                let error = outcomes[index].as_ref().unwrap_err();
                assert_eq!(report, error.to_string());
                assert_eq!(attempt, 1);
                assert!(worker.is_some_and(|worker| worker < 2));
                told.push(index);
            }
            EventKind::WorkerEnded {
                unexpected: true,
                how,
                ..
            } => {
                assert!(how.contains("SIGABRT"), "{how}");
                unexpected += 1;
            }
            _ => {}
        }
    }
    told.sort_unstable();
    assert_eq!(told, [3, 7, 13, 17, 23, 27, 33, 37]);
    assert_eq!(unexpected, 4);
    assert_eq!(log.finished(), 1);
}

#[test]
fn retries_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let tally = folder.path().join("tally").to_str().unwrap().to_owned();
    std::fs::write(&tally, "").unwrap();
    let pool = Pool::builder().workers(1).build().unwrap();
    let log = Log::default();
    let job = pool.job(dies_at_first).retries(5).backoff(Backoff::none());
    assert_eq!(job.observe(log.clone()).map([tally]).unwrap(), [7]);
    let mut attempts = Vec::new();
    for kind in log.kinds() {
        match kind {
            EventKind::ItemFailed {
                attempt, retried, ..
            } => {
                assert!(retried);
                attempts.push(attempt);
            }
            EventKind::ItemRetried {
                attempt, revoked, ..
            } => {
                assert!(!revoked);
                attempts.push(attempt);
            }
            _ => {}
        }
    }
    assert_eq!(attempts, [1, 2, 2, 3]);
    assert_eq!(log.done(), 1);

    // By value: what was told is taken back.
    let log = Log::default();
    let job = pool.job(square).retries(2).backoff(Backoff::none());
    let job = job
        .retry_if(|result| matches!(result, Ok(4)))
        .observe(log.clone());
    assert_eq!(job.map(0..4).unwrap(), [0, 1, 4, 9]);
    let revoked = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::ItemRetried {
                revoked: true,
                index: 2,
                ..
            }
        )
    };
    assert_eq!(log.kinds().iter().filter(|kind| revoked(kind)).count(), 2);
    assert_eq!(log.done(), 6);
}

#[test]
fn workers_are_told_from_start_to_end() {
    let log = Log::default();
    let pool = Pool::builder()
        .workers(1)
        .init(opens, ())
        .observe(log.clone())
        .build()
        .unwrap();
    pool.map(square, 0..10).unwrap();
    pool.shutdown().unwrap();
    let mut seen = Vec::new();
    for kind in log.kinds() {
        match kind {
            EventKind::WorkerStarted {
                worker: Some(0),
                pid,
                ..
            } => seen.push(("started", pid)),
            EventKind::WorkerReady {
                worker: Some(0),
                pid,
                ..
            } => seen.push(("ready", pid)),
            EventKind::WorkerInitialized { pid, .. } => seen.push(("initialized", pid)),
            EventKind::WorkerEnded {
                pid,
                unexpected: false,
                how,
                ..
            } => {
                assert_eq!(how, "exited with code 0");
                seen.push(("ended", pid));
            }
            _ => {}
        }
    }
    let (mut what, pids): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    assert!(pids.iter().all(|pid| *pid == pids[0]));
    assert_eq!(what.remove(0), "started");
    assert_eq!(what.pop(), Some("ended"));
    what.sort_unstable();
    assert_eq!(what, ["initialized", "ready"]);
    assert_eq!(log.finished(), 1);
}

#[test]
fn an_inline_pool_tells_the_same() {
    let log = Log::timed();
    let pool = Pool::builder()
        .inline()
        .observe(log.clone())
        .build()
        .unwrap();
    #[parallel]
    fn panics_at_three(x: u64) -> u64 {
        assert_ne!(x, 3, "three");
        x
    }
    assert_eq!(pool.outcomes(panics_at_three, 0..10).unwrap().len(), 10);
    drop(pool);
    assert_eq!(log.done(), 9);
    assert_eq!(log.failed(FailureKind::Panic), 1);
    let spans = log.kinds().into_iter().map(|kind| match kind {
        EventKind::ItemsTimed { spans, .. } => spans.len(),
        _ => 0,
    });
    assert_eq!(spans.sum::<usize>(), 10);
}

#[test]
fn items_that_are_dropped_are_told() {
    let pool = Pool::builder().workers(1).build().unwrap();
    let meeting = Meeting::new();
    let log = Log::default();
    let token = parproc::CancelToken::new();
    std::thread::scope(|scope| {
        let job = pool.job(comes).cancel_token(&token).chunk_size(1);
        let job = job.observe(log.clone());
        let names: Vec<_> = (0..5).map(|_| meeting.name()).collect();
        let call = scope.spawn(move || job.outcomes(names).unwrap());
        let guest = meeting.wait();
        token.cancel();
        assert!(call.join().unwrap().iter().all(Result::is_err));
        drop(guest);
    });
    let dropped = log.kinds().into_iter().map(|kind| match kind {
        EventKind::ItemsDropped { count, .. } => count,
        _ => 0,
    });
    assert!(dropped.sum::<usize>() >= 1);
}

#[test]
fn an_observer_that_panics_is_told_no_more_and_harms_nobody() {
    let log = Log::default();
    let pool = Pool::builder()
        .workers(2)
        .observe(|_: &[Event]| panic!("in an observer, as it should"))
        .observe(log.clone())
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(pool.map(square, 0..100).unwrap().len(), 100);
    }
    drop(pool);
    assert_eq!(log.done(), 300);
}

#[test]
fn an_observer_may_use_the_pool() {
    let pool = Arc::new(Pool::builder().workers(2).build().unwrap());
    let (inner, squares) = (Arc::clone(&pool), Arc::new(Mutex::new(Vec::new())));
    let results = Arc::clone(&squares);
    let asks = move |_: &[Event]| {
        let result = inner.map(square, [3]).unwrap();
        results.lock().unwrap().extend(result);
    };
    assert_eq!(
        pool.job(square).observe(asks).map(0..10_000).unwrap().len(),
        10_000
    );
    let squares = squares.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!squares.is_empty() && squares.iter().all(|square| *square == 9));
}

#[test]
fn what_is_told_agrees_with_the_outcomes_while_workers_are_killed() {
    let log = Log::timed();
    let pool = Pool::builder()
        .workers(3)
        .retries(1)
        .backoff(Backoff::none())
        .observe(log.clone())
        .build()
        .unwrap();
    let over = AtomicBool::new(false);
    let outcomes = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // Ours, and only those that are still there.
                let living = parproc_tests::children();
                let workers = log.workers().into_iter().filter(|id| living.contains(id));
                if let Some(id) = fastrand::choice(workers.collect::<Vec<_>>()) {
                    let pid = rustix::process::Pid::from_raw(id as i32).unwrap();
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let outcomes = (0..20).map(|_| pool.outcomes(hostile, 0..200).unwrap());
        let outcomes: Vec<_> = outcomes.collect();
        over.store(true, Ordering::Relaxed);
        outcomes
    });
    drop(pool);
    let outcomes = outcomes.into_iter().flatten();
    let (good, bad): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    assert_eq!(log.done(), good.len());
    let failed = log.failed(FailureKind::Panic) + log.failed(FailureKind::Crash);
    assert_eq!(failed, bad.len());
    assert!(log.workers().is_empty());
}

#[test]
fn an_observer_may_open_calls_that_are_observed() {
    let pool: &Pool = Box::leak(Box::new(Pool::builder().workers(1).build().unwrap()));
    let told = Arc::new(AtomicUsize::new(0));
    let inner = Arc::clone(&told);
    let asked = AtomicBool::new(false);
    let asks = move |_: &[Event]| {
        if !asked.swap(true, Ordering::Relaxed) {
            let count = Arc::clone(&inner);
            let count = move |events: &[Event]| {
                count.fetch_add(events.len(), Ordering::Relaxed);
            };
            pool.job(square).observe(count).map(0..3).unwrap();
        }
    };
    within(LIMIT, move || {
        pool.job(square).observe(asks).map(0..1000).unwrap();
        // What was left to be told is told with the next call at the latest.
        pool.job(square)
            .observe(|_: &[Event]| {})
            .map(0..3)
            .unwrap();
    });
    assert!(told.load(Ordering::Relaxed) > 0);
}

#[test]
fn observers_that_use_the_pool_and_observed_calls_do_not_wait_for_each_other() {
    let cell: &OnceLock<&Pool> = Box::leak(Box::new(OnceLock::new()));
    let asks = move |_: &[Event]| {
        if let Some(pool) = cell.get() {
            for _ in 0..20 {
                pool.spawn(square, 3).unwrap().join().unwrap();
            }
        }
    };
    let pool = Pool::builder().workers(1).observe(asks).build().unwrap();
    let pool: &Pool = Box::leak(Box::new(pool));
    cell.set(pool).unwrap();
    within(LIMIT, move || {
        for _ in 0..300 {
            pool.job(square)
                .observe(|_: &[Event]| {})
                .map(0..3)
                .unwrap();
        }
    });
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in the drop of an observer, as it should");
    }
}

#[test]
fn an_observer_that_panics_in_its_drop_too_harms_nobody() {
    let bad = PanicsInDrop;
    let panics = move |_: &[Event]| {
        let _ = &bad;
        panic!("in an observer, as it should");
    };
    let log = Log::default();
    let pool = Pool::builder().workers(1).observe(panics).build().unwrap();
    for _ in 0..3 {
        pool.job(square).observe(log.clone()).map(0..100).unwrap();
    }
    drop(pool);
    assert_eq!(log.done(), 300);
}

#[test]
fn an_observer_of_two_pools_may_drop_one_of_them() {
    let cell: Arc<Mutex<Option<Pool>>> = Arc::default();
    let inner = Arc::clone(&cell);
    let drops = move |_: &[Event]| {
        let pool = inner.lock().unwrap().take();
        drop(pool);
    };
    within(LIMIT, move || {
        let builder = Pool::builder().workers(1).observe(drops);
        let (first, second) = (builder.clone().build().unwrap(), builder.build().unwrap());
        second.map(square, 0..3).unwrap();
        *cell.lock().unwrap() = Some(second);
        first.map(square, 0..3).unwrap();
        drop(first);
    });
}

#[test]
fn a_slow_observer_gets_everything() {
    let log = Log::timed();
    let mut slow = log.clone();
    let pool = Pool::builder().workers(2).build().unwrap();
    let observer = move |events: &[Event]| {
        std::thread::sleep(Duration::from_millis(1));
        slow.observe(events);
    };
    let tasks = (0..50_u64).map(|x| pool.spawn(square, x).unwrap());
    let tasks: Vec<_> = tasks.collect();
    pool.job(square)
        .chunk_size(1)
        .observe(observer)
        .map(0..20_000)
        .unwrap();
    assert_eq!(log.done(), 20_000);
    for task in tasks {
        task.join().unwrap();
    }
}

//! Statistics: what a pool tells of itself when it is asked.

use std::time::Duration;

use parproc::observe::{FailureKind, Stats, WorkerStats};
use parproc::{Backoff, CancelToken, Pool, parallel};
use parproc_tests::{Meeting, is_launched, meet};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn rests(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
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
fn text(bytes: Vec<u8>) -> String {
    "x".repeat(2 * bytes.len())
}

#[parallel]
fn comes(meeting: &str) {
    meet(meeting, 0);
}

#[parallel]
fn rests_a_little() {
    std::thread::sleep(Duration::from_millis(20));
}

fn check_times(stats: &Stats) {
    let mut lives = Duration::ZERO;
    for worker in stats.workers() {
        let parts = [
            worker.start_up().total(),
            worker.init().total(),
            worker.waiting(),
            worker.working(),
            worker.exit().total(),
        ];
        assert_eq!(parts.iter().sum::<Duration>(), worker.life(), "{stats:#?}");
        assert!((0.0..=1.0).contains(&worker.utilization()), "{stats:#?}");
        lives += worker.life();
    }
    assert_eq!(stats.life().total(), lives);
    assert!((0.0..=1.0).contains(&stats.utilization()), "{stats:#?}");
    let table = stats.to_string();
    for worker in stats.workers() {
        let number = worker.number().to_string();
        assert!(
            table
                .lines()
                .any(|line| line.trim_start().starts_with(&number)),
            "{table}"
        );
    }
}

#[test]
fn a_pool_that_did_nothing_has_statistics() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let stats = pool.stats();
    assert_eq!((stats.done(), stats.failed(), stats.retried()), (0, 0, 0));
    assert_eq!(stats.workers(), []);
    assert_eq!(stats.mean_item(), None);
    assert!(stats.utilization().abs() < f64::EPSILON);
    assert!(!stats.to_string().is_empty());
    pool.shutdown().unwrap();
    assert_eq!(pool.stats().done(), 0);
}

#[test]
fn items_and_times_are_counted_with_and_without_insights() {
    for insights in [false, true] {
        let builder = Pool::builder().workers(1).insights(insights);
        let pool = builder.build().unwrap();
        pool.job(rests).chunk_size(2).for_each([50; 4]).unwrap();
        pool.map(square, 0..1000).unwrap();
        let task = pool.spawn(square, 3).unwrap();
        assert_eq!(task.join().unwrap(), 9);
        let stats = pool.stats();
        check_times(&stats);
        assert_eq!(
            (stats.done(), stats.failed(), stats.dropped()),
            (1005, 0, 0)
        );
        let [worker] = stats.workers() else {
            panic!("{stats:?}");
        };
        assert_eq!((worker.items(), worker.processes()), (1005, 1));
        assert!(worker.working() >= Duration::from_millis(200), "{stats}");
        assert!(worker.start_up().count() == 1 && worker.start_up().mean() > Duration::ZERO);
        // That of a living worker is not known from a node.
        assert!(is_launched() || worker.peak_memory() > 100_000, "{stats}");
        assert!(worker.pid().is_some_and(|pid| pid != std::process::id()));
        assert!(stats.mean_item().unwrap() >= Duration::from_millis(200) / 1005);
        assert_eq!(stats.has_insights(), insights);
        if !insights {
            assert_eq!(stats.items().count(), 0);
            assert_eq!(stats.longest(), []);
            assert!(stats.to_string().contains(".insights(true)"), "{stats}");
            continue;
        }
        assert_eq!(stats.items().count(), 1005);
        assert_eq!(stats.running().count(), 1005);
        assert!(stats.running().total() >= Duration::from_millis(200));
        assert!(stats.running().total() <= stats.items().total());
        assert!(stats.items().total() <= stats.working().total());
        let longest = stats.longest();
        assert_eq!(longest.len(), 5);
        assert!(longest.is_sorted_by(|a, b| a.took >= b.took));
        let mut indices: Vec<_> = longest[..4].iter().map(|item| item.index).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2, 3]);
        for item in &longest[..4] {
            assert!(item.function.ends_with("rests") && item.took >= Duration::from_millis(50));
            assert_eq!(
                (item.worker, item.attempt, item.failure),
                (Some(0), 1, None)
            );
        }
        assert!(stats.to_string().contains("rests, worker 0"), "{stats}");
    }
}

#[test]
fn bytes_are_counted() {
    let pool = Pool::builder().workers(1).build().unwrap();
    pool.map(text, vec![vec![0_u8; 100_000]; 5]).unwrap();
    let stats = pool.stats();
    assert!(
        (500_000..510_000).contains(&stats.argument_bytes()),
        "{stats}"
    );
    assert!(
        (1_000_000..1_010_000).contains(&stats.result_bytes()),
        "{stats}"
    );
    assert_eq!(stats.workers()[0].result_bytes(), stats.result_bytes());
}

#[test]
fn failures_are_counted_by_kind_and_restarts_by_worker() {
    let pool = Pool::builder().workers(2).insights(true).build().unwrap();
    let outcomes = pool.outcomes(hostile, 0..40).unwrap();
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 32);
    let rules = pool.job(rests).timeout(Duration::from_millis(100));
    assert!(rules.outcomes([0, 60_000]).unwrap()[1].is_err());
    // All that happened with its workers is told when they are gone.
    pool.shutdown().unwrap();
    let stats = pool.stats();
    check_times(&stats);
    assert_eq!((stats.done(), stats.failed()), (33, 9));
    assert_eq!(stats.failed_by(FailureKind::Panic), 4);
    assert_eq!(stats.failed_by(FailureKind::Crash), 4);
    assert_eq!(stats.failed_by(FailureKind::Timeout), 1);
    assert_eq!(stats.failed_by(FailureKind::Memory), 0);
    let sum = |number: fn(&WorkerStats) -> u64| stats.workers().iter().map(number).sum::<u64>();
    assert_eq!(sum(WorkerStats::failed), 9);
    assert_eq!(sum(WorkerStats::unexpected_ends), 4);
    assert_eq!(sum(WorkerStats::restarts), stats.restarts());
    // Five ended, and two may have been there at the end.
    assert!((3..=5).contains(&stats.restarts()), "{stats}");
    assert!(
        stats
            .workers()
            .iter()
            .all(|worker| worker.peak_memory() > 100_000),
        "{stats}"
    );
    // An item that ended its worker counts as work too, and may be the longest.
    assert!(
        stats.working().total() >= Duration::from_millis(100),
        "{stats}"
    );
    let longest = &stats.longest()[0];
    assert_eq!(
        (longest.index, longest.failure),
        (1, Some(FailureKind::Timeout))
    );
    assert!(longest.took >= Duration::from_millis(100));
    assert!(
        stats.to_string().contains("4 panic, 4 crash, 1 timeout"),
        "{stats}"
    );
}

#[test]
fn what_is_tried_again_counts_once() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let job = || pool.job(hostile).retries(2).backoff(Backoff::none());
    // Results, failures, and crashes, each of which ends well or not.
    let values = job().retry_if(|outcome| matches!(outcome, Ok(4)));
    assert_eq!(values.map([1, 4]).unwrap(), [1, 4]);
    let stats = pool.stats();
    assert_eq!((stats.done(), stats.failed(), stats.retried()), (2, 0, 2));
    let panics = job().retry_if(|outcome| outcome.is_err());
    assert!(panics.outcomes([3]).unwrap()[0].is_err());
    let stats = pool.stats();
    assert_eq!((stats.done(), stats.failed(), stats.retried()), (2, 1, 4));
    assert!(job().outcomes([7]).unwrap()[0].is_err());
    let stats = pool.stats();
    assert_eq!((stats.done(), stats.failed(), stats.retried()), (2, 2, 6));
    assert_eq!(stats.failed_by(FailureKind::Crash), 1);
    let by_worker = stats.workers().iter().map(|worker| worker.failed());
    assert_eq!(by_worker.sum::<u64>(), 6, "{stats}");
}

#[test]
fn what_is_not_run_is_counted() {
    let pool = Pool::builder().workers(1).build().unwrap();
    let meeting = Meeting::new();
    let token = CancelToken::new();
    std::thread::scope(|scope| {
        let job = pool.job(comes).cancel_token(&token).chunk_size(1);
        let names: Vec<_> = (0..3).map(|_| meeting.name()).collect();
        let call = scope.spawn(move || job.outcomes(names).unwrap());
        let guest = meeting.wait();
        // It works, though nothing of it is done.
        let before = pool.stats();
        assert_eq!(before.done(), 0);
        let working = |stats: &Stats| stats.workers()[0].working();
        if is_launched() {
            println!("not looked at: the time of a chunk is known from a node when it is done");
        } else {
            while working(&pool.stats()) <= working(&before) {
                std::thread::yield_now();
            }
        }
        check_times(&pool.stats());
        token.cancel();
        assert!(call.join().unwrap().iter().all(Result::is_err));
        drop(guest);
    });
    let stats = pool.stats();
    assert_eq!(
        stats.done() + stats.failed() + stats.dropped(),
        3,
        "{stats}"
    );
    assert_eq!(stats.failed_by(FailureKind::Cancelled), stats.failed());
}

#[test]
fn init_and_exit_functions_are_told_apart_from_work() {
    let builder = Pool::builder().workers(1).max_tasks_per_worker(2);
    let builder = builder.init(rests_a_little, ()).exit(rests_a_little);
    let pool = builder.build().unwrap();
    pool.map(square, 0..4).unwrap();
    pool.shutdown().unwrap();
    let stats = pool.stats();
    check_times(&stats);
    // A successor may be there before the number of the one before it is free.
    let processes = stats.workers().iter().map(WorkerStats::processes);
    assert!(processes.sum::<u64>() >= 2, "{stats}");
    assert!(stats.exit().count() >= 2, "{stats}");
    for timing in [stats.init(), stats.exit()] {
        assert!(timing.total() >= Duration::from_millis(40), "{stats}");
        assert!(timing.mean() >= Duration::from_millis(20), "{stats}");
    }
    assert!(stats.working().total() < stats.init().total(), "{stats}");
    assert!(stats.workers().iter().all(|worker| worker.pid().is_none()));
    let life = stats.life();
    assert_eq!(pool.stats().life(), life, "nobody lives on");
}

#[test]
fn an_inline_pool_is_its_own_worker() {
    let pool = Pool::builder().inline().insights(true).build().unwrap();
    pool.for_each(rests, [10, 10]).unwrap();
    assert_eq!(pool.outcomes(square, 0..10).unwrap().len(), 10);
    let stats = pool.stats();
    check_times(&stats);
    assert_eq!((stats.done(), stats.failed(), stats.restarts()), (12, 0, 0));
    assert_eq!(stats.workers().len(), 1);
    assert_eq!(stats.workers()[0].pid(), Some(std::process::id()));
    assert!(stats.working().total() >= Duration::from_millis(20));
    assert!(stats.items().count() == 12 && stats.longest().len() == 5);
    let peak = stats.peak_memory();
    assert!(peak > 100_000, "{stats}");
}

#[test]
fn an_observer_of_times_brings_insights() {
    struct Watches;
    impl parproc::observe::Observer for Watches {
        fn interest(&self) -> parproc::observe::Interest {
            parproc::observe::Interest::ITEM_TIMES
        }
        fn observe(&mut self, _: &[parproc::observe::Event]) {}
    }
    let pool = Pool::builder().workers(1).observe(Watches).build().unwrap();
    pool.map(square, 0..100).unwrap();
    assert_eq!(pool.stats().items().count(), 100);
    // One of a single call sees that call only, so the statistics take nothing from it.
    let pool = Pool::builder().workers(1).build().unwrap();
    pool.job(square).observe(Watches).map(0..100).unwrap();
    assert_eq!(pool.stats().items().count(), 0);
}

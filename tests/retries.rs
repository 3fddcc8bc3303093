//! Attempts: which items are tried again, how often, and what ends a storm of crashes.

use std::process;
use std::time::{Duration, Instant};

use parproc::{Backoff, Pool, parallel};
use parproc_tests::{Tally, in_time, note, pool};

/// Aborts in its first `aborts` attempts, which the tally knows.
#[parallel]
fn aborts_first(tally: &Tallied, aborts: usize) -> usize {
    let before = tally.attempts();
    note(&tally.path, tally.item);
    if before < aborts {
        process::abort();
    }
    before
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Tallied {
    path: String,
    item: usize,
}

impl Tallied {
    fn attempts(&self) -> usize {
        let text = std::fs::read_to_string(&self.path).unwrap();
        let own = self.item.to_string();
        text.lines().filter(|line| *line == own).count()
    }
}

fn items(tally: &Tally, count: usize) -> Vec<Tallied> {
    let path = tally.path().to_owned();
    (0..count)
        .map(|item| Tallied {
            path: path.clone(),
            item,
        })
        .collect()
}

#[parallel]
fn odd_is_busy(tally: &Tallied) -> Result<usize, String> {
    let before = tally.attempts();
    note(&tally.path, tally.item);
    if tally.item % 2 == 1 && before < 2 {
        return Err("busy".to_owned());
    }
    Ok(tally.item)
}

#[parallel]
fn aborts(_item: u32) {
    process::abort();
}

#[parallel]
fn panics(tally: &str) {
    note(tally, "run");
    panic!("as it should");
}

#[test]
fn an_item_that_crashes_is_tried_again_and_the_others_are_not() {
    in_time(|| {
        let pool = pool(2);
        let tally = Tally::new();
        let given = items(&tally, 10);
        let job = pool.job(aborts_first).retries(2).backoff(Backoff::none());
        let crashes = |item: usize| if item == 4 { 2 } else { 0 };
        let given = given.iter().map(|item| (item, crashes(item.item)));
        let reports = job.chunk_size(5).reports(given).unwrap();
        for report in &reports {
            let extra = u32::try_from(crashes(report.index)).unwrap();
            assert_eq!(report.attempts, 1 + extra);
            assert_eq!(*report.result.as_ref().unwrap(), extra as usize);
        }
        let counts = tally.counts();
        assert!(
            counts
                .iter()
                .all(|(item, count)| *count == if item == "4" { 3 } else { 1 })
        );
    });
}

#[test]
fn the_last_error_tells_the_attempt() {
    in_time(|| {
        let pool = pool(1);
        let job = pool.job(aborts).retries(2).backoff(Backoff::none());
        let error = job.map([1]).unwrap_err();
        let error = error.task().unwrap();
        assert!(error.is_crash() && error.attempt() == 3, "{error}");
        assert!(error.to_string().contains("attempt 3"), "{error}");
        assert!(!error.is_quarantined());
    });
}

#[test]
fn panics_are_not_tried_again_by_themselves() {
    in_time(|| {
        let pool = pool(1);
        let tally = Tally::new();
        let error = pool.job(panics).retries(5).map([tally.path()]).unwrap_err();
        assert!(error.task().unwrap().is_panic());
        assert_eq!(tally.total(), 1);
        let retrying = pool.job(panics).retries(3).backoff(Backoff::none());
        let error = retrying
            .retry_if(|outcome| outcome.is_err())
            .map([tally.path()]);
        assert_eq!(error.unwrap_err().task().unwrap().attempt(), 4);
        assert_eq!(tally.total(), 5);
    });
}

#[test]
fn values_are_tried_again_if_the_caller_says_so() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = pool(workers);
            for chunk_size in [1, 7, 100] {
                let tally = Tally::new();
                let job = pool.job(odd_is_busy).chunk_size(chunk_size).retries(2);
                let job = job
                    .backoff(Backoff::none())
                    .retry_if(|outcome| matches!(outcome, Ok(Err(reason)) if reason == "busy"));
                let reports = job.reports(&items(&tally, 50)).unwrap();
                for (index, report) in reports.iter().enumerate() {
                    assert_eq!(report.index, index);
                    assert_eq!(report.result.as_ref().unwrap(), &Ok(index));
                    assert_eq!(report.attempts, if index % 2 == 1 { 3 } else { 1 });
                }
            }
        }
    });
}

#[test]
fn values_run_out_of_attempts_too_and_lazy_calls_and_inline_pools_try_again() {
    in_time(|| {
        for pool in [pool(2), parproc_tests::inline_pool()] {
            let tally = Tally::new();
            let given = items(&tally, 9);
            let job = pool.job(odd_is_busy).retries(1).backoff(Backoff::none());
            let job = job.retry_if(|outcome| matches!(outcome, Ok(Err(_))));
            let results: Vec<_> = job.imap(&given).unwrap().map(Result::unwrap).collect();
            for (index, result) in results.into_iter().enumerate() {
                let busy = Err("busy".to_owned());
                assert_eq!(result, if index % 2 == 1 { busy } else { Ok(index) });
            }
        }
    });
}

#[test]
fn pauses_are_kept() {
    in_time(|| {
        let pool = pool(1);
        let pause = Duration::from_millis(100);
        let backoff = Backoff::new(pause).factor(1.0).jitter(0.0);
        let begin = Instant::now();
        let error = pool.job(aborts).retries(2).backoff(backoff).map([1]);
        assert!(error.is_err());
        assert!(begin.elapsed() >= 2 * pause);
    });
}

#[test]
fn an_item_that_ends_too_many_workers_is_put_in_quarantine() {
    in_time(|| {
        let builder = Pool::builder().workers(1).retries(10).quarantine_after(2);
        let pool = builder.backoff(Backoff::none()).build().unwrap();
        let error = pool.map(aborts, [1]).unwrap_err();
        let error = error.task().unwrap();
        assert!(error.is_quarantined() && error.attempt() == 2, "{error}");
    });
}

#[test]
fn a_storm_of_crashes_ends_when_the_budget_is_used_up() {
    in_time(|| {
        let pool = Pool::builder().workers(2).crash_budget(5).build().unwrap();
        let error = pool.outcomes(aborts, 0..100).unwrap_err();
        assert!(error.is_crash_budget(), "{error}");
        assert!(error.to_string().contains("budget of 5 crashes"), "{error}");
        assert!(error.to_string().contains("`retries::aborts`"), "{error}");
        let again = pool.job(aborts).for_each(0..).unwrap_err();
        assert!(again.is_crash_budget(), "{again}");
        let pool = Pool::builder().workers(1).crash_budget(0).build().unwrap();
        let endless = pool.for_each(aborts, 0..).unwrap_err();
        assert!(endless.is_crash_budget(), "{endless}");
        let again = pool.map(aborts, [1]).unwrap_err();
        assert!(again.is_crash_budget(), "{again}");
    });
}

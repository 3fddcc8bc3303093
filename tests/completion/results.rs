//! `as_completed`: results as they come, over one pool and several.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use parproc::as_completed;
use parproc_tests::{LIMIT, Meeting, in_time, inline_pool, pool, within};

use super::{add, bad, wait_at};

#[test]
fn results_come_as_tasks_end() {
    in_time(|| {
        let pools = [pool(3), pool(2)];
        for used in [[0, 0, 0], [0, 1, 0]] {
            let meetings = [Meeting::new(), Meeting::new(), Meeting::new()];
            let mut tasks = Vec::new();
            let mut guests = Vec::new();
            for (word, meeting) in (0..).zip(&meetings) {
                let pool = &pools[used[word as usize]];
                tasks.push(pool.spawn(wait_at, (meeting.name(), word)).unwrap());
                guests.push(Some(meeting.wait()));
            }
            let mut results = as_completed(tasks);
            for (left, word) in [(3, 2), (2, 0), (1, 1)] {
                assert_eq!(results.len(), left);
                assert!(results.next_timeout(Duration::from_millis(1)).is_none());
                let guest = guests[word].take();
                let release = thread::spawn(|| drop(guest));
                let (place, result) = results.next().unwrap();
                assert_eq!((place, result.unwrap()), (word, word as u64));
                release.join().unwrap();
            }
            assert_eq!(results.len(), 0);
            assert!(results.next_timeout(LIMIT).is_none());
            assert!(results.next().is_none());
        }
    });
}

#[test]
fn thousands_of_results_of_two_pools() {
    within(Duration::from_secs(60), || {
        let pools = [pool(2), pool(1), inline_pool()];
        for used in [1, 3] {
            let spawn = |x: u64| pools[x as usize % used].spawn(add, (x, 1)).unwrap();
            let mut seen = vec![false; 10_000];
            for (place, result) in as_completed((0..10_000).map(spawn)) {
                assert_eq!(result.unwrap(), place as u64 + 1);
                assert!(!std::mem::replace(&mut seen[place], true));
            }
            assert!(seen.into_iter().all(|seen| seen));
        }
    });
}

#[test]
fn failures_come_with_their_places() {
    in_time(|| {
        let (one, two) = (pool(1), pool(2));
        let hows = [5, 0, 1, 6, 1, 0, 7];
        let spawn = |(place, how): (usize, u8)| [&one, &two][place % 2].spawn(bad, how).unwrap();
        let mut count = 0;
        for (place, result) in as_completed(hows.into_iter().enumerate().map(spawn)) {
            count += 1;
            match result {
                Ok(how) => assert_eq!(how, hows[place]),
                Err(error) if hows[place] == 0 => assert!(error.task().unwrap().is_panic()),
                Err(error) => assert_eq!(error.task().unwrap().exit_code(), Some(9)),
            }
        }
        assert_eq!(count, hows.len());
    });
}

#[test]
fn results_of_tasks_that_were_joined_or_closed() {
    in_time(|| {
        let (one, two) = (pool(1), pool(1));
        let meeting = Meeting::new();
        let mut joined = one.spawn(add, (1, 2)).unwrap();
        assert_eq!(joined.join_timeout(LIMIT).unwrap(), 3);
        let running = two.spawn(wait_at, (meeting.name(), 3)).unwrap();
        let _guest = meeting.wait();
        let done = one.spawn(add, (1, 2)).unwrap();
        let mut results = as_completed([running, joined, done]);
        let early: BTreeSet<_> = [results.next(), results.next()]
            .map(|next| next.unwrap())
            .map(|(place, result)| (place, result.ok()))
            .into();
        assert_eq!(early, [(1, None), (2, Some(3))].into());
        drop((one, two));
        let (place, result) = results.next().unwrap();
        assert!(place == 0 && result.unwrap_err().is_closed());
        assert!(results.next().is_none());
    });
}

#[test]
fn dropping_as_completed_detaches_what_is_left() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 3)).unwrap();
        let guest = meeting.wait();
        let quick = pool.spawn(add, (1, 2)).unwrap();
        let mut results = as_completed([slow, quick]);
        assert_eq!(results.next().unwrap().1.unwrap(), 3);
        drop(results);
        assert!(!guest.process.has_ended());
        drop(guest);
        pool.shutdown().unwrap();
    });
}

#[test]
fn ten_threads_take_results_as_they_come() {
    within(Duration::from_secs(60), || {
        let pools = [pool(2), pool(1)];
        thread::scope(|scope| {
            for start in 0..10 {
                let pools = &pools;
                scope.spawn(move || {
                    for round in 0..10 {
                        let pools = &pools[..1 + (start as usize + round) % 2];
                        let spawn = |x: u64| {
                            pools[x as usize % pools.len()]
                                .spawn(add, (x, start))
                                .unwrap()
                        };
                        for (place, result) in as_completed((0..100).map(spawn)) {
                            assert_eq!(result.unwrap(), place as u64 + start);
                        }
                    }
                });
            }
        });
    });
}

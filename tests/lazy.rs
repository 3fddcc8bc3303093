//! `imap` and `imap_unordered`: results as they are asked for, over iterators of any length.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

use parproc::parallel;
use parproc_tests::{Meeting, Tally, in_time, inline_pool, is_launched, meet, note, pool};
use rustix::process::Signal;

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

/// Waits at the meeting if the item is 0.
#[parallel]
fn first_waits(meeting: &str, x: u64) -> u64 {
    if x == 0 {
        meet(meeting, x);
    }
    x
}

#[parallel]
fn seventh_fails(x: u64, how: u8) -> u64 {
    match (x % 7, how) {
        (6, 0) => panic!("{x} is bad"),
        (6, 1) => process::abort(),
        _ => x,
    }
}

#[test]
fn results_of_an_endless_iterator_come_in_order() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let results = pool.imap(square, 0..).unwrap();
            let mut expected = 0;
            for result in results.take(3000) {
                assert_eq!(result.unwrap(), expected * expected);
                expected += 1;
            }
            assert_eq!(expected, 3000);
        }
    });
}

#[test]
fn a_finite_iterator_comes_to_its_end_and_stays_there() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let mut results = pool.imap(square, 0..2500).unwrap();
            assert_eq!(results.by_ref().map(Result::unwrap).count(), 2500);
            assert!(results.next().is_none() && results.next().is_none());

            let mut results = pool.imap_unordered(square, 0..2500).unwrap();
            let indexes: BTreeSet<_> = results.by_ref().map(|(index, _)| index).collect();
            assert!(indexes.into_iter().eq(0..2500), "each index once");
            assert!(results.next().is_none() && results.next().is_none());
        }
    });
}

#[test]
fn nothing_is_read_before_the_first_result_is_asked_for() {
    in_time(|| {
        let read = Cell::new(0);
        let items = (0_u64..).inspect(|_| read.set(read.get() + 1));
        let pool = pool(2);
        let mut results = pool.imap(square, items).unwrap();
        assert_eq!(read.get(), 0);
        results.next().unwrap().unwrap();
        assert!(read.get() > 0);
    });
}

#[test]
fn no_more_than_the_read_ahead_is_read() {
    in_time(|| {
        for pool in [pool(2), pool(8), inline_pool()] {
            for ahead in [1, 2, 10, 1024] {
                let read = Cell::new(0);
                let items = (0_u64..).inspect(|_| read.set(read.get() + 1));
                let job = pool.job(square).read_ahead(ahead);
                let results = job.imap(items).unwrap();
                for (taken, result) in results.take(2000).enumerate() {
                    result.unwrap();
                    let most = taken + ahead;
                    assert!(read.get() <= most, "{} read, {most} allowed", read.get());
                }
            }
            let read = Cell::new(0);
            let items = (0_u64..).inspect(|_| read.set(read.get() + 1));
            let results = pool.imap_unordered(square, items).unwrap();
            for (taken, (_, result)) in results.take(3000).enumerate() {
                result.unwrap();
                assert!(read.get() <= taken + 1024, "the default is 1024");
            }
        }
    });
}

#[test]
fn a_chunk_size_larger_than_the_read_ahead_changes_no_result() {
    in_time(|| {
        let pool = pool(2);
        let job = pool.job(square).chunk_size(1000).read_ahead(3);
        let results = job.imap(0..100).unwrap().map(Result::unwrap);
        assert!(results.eq((0..100).map(|x| x * x)));
    });
}

#[test]
fn dropping_it_half_way_leaves_the_pool_usable() {
    in_time(|| {
        let pool = pool(2);
        for taken in [0, 1, 2, 77, 2000] {
            let mut results = pool.imap(square, 0..).unwrap();
            assert_eq!(results.by_ref().take(taken).count(), taken);
            drop(results);
            let mut results = pool.imap_unordered(square, 0..).unwrap();
            assert_eq!(results.by_ref().take(taken).count(), taken);
            drop(results);
            assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
        }
        pool.shutdown().unwrap();
    });
}

#[test]
fn dropping_it_does_not_wait_for_what_runs() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let name = meeting.name();
        let items = (0..).map(|x| (name, x));
        let job = pool.job(first_waits).chunk_size(1);
        let mut results = job.imap_unordered(items).unwrap();
        assert_ne!(results.next().unwrap().0, 0, "item 0 waits");
        let guest = meeting.wait();
        drop(results);
        assert_eq!(pool.map(square, [4]).unwrap(), [16], "in the other worker");
        drop(guest);
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    });
}

#[test]
fn dropping_it_drops_what_was_read_and_not_begun() {
    /// Notes the item, and waits at the meeting if it is 1. Those behind take their time: a node begins some before
    /// it hears of the end.
    #[parallel]
    fn noted(meeting: &str, tally: &str, x: u64) -> u64 {
        note(tally, x);
        match x {
            0 => {}
            1 => meet(meeting, x),
            _ => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
        x
    }
    in_time(|| {
        // What is not begun is in other chunks, in the same one, in both.
        for chunk_size in [1, 1000, 10] {
            let pool = pool(1);
            let (meeting, tally) = (Meeting::new(), Tally::new());
            let items = (0..1000).map(|x| (meeting.name(), tally.path(), x));
            let job = pool.job(noted).chunk_size(chunk_size);
            let mut results = job.imap(items).unwrap();
            assert_eq!(results.next().unwrap().unwrap(), 0);
            let guest = meeting.wait();
            drop(results);
            drop(guest);
            pool.shutdown().unwrap();
            let begun = tally.total();
            if is_launched() {
                assert!((2..500).contains(&begun), "{begun} begun");
            } else {
                assert_eq!(begun, 2, "with chunks of {chunk_size}");
            }
        }
    });
}

#[test]
fn unordered_results_come_before_a_slow_one() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let name = meeting.name();
        let items = (0..200).map(|x| (name, x));
        let mut results = pool.imap_unordered(first_waits, items).unwrap();
        let early: BTreeSet<_> = results.by_ref().take(199).map(|(index, _)| index).collect();
        assert!(early.into_iter().eq(1..200), "all but the slow one");
        drop(meeting.wait());
        assert_eq!(results.next().unwrap().0, 0);
        assert!(results.next().is_none());
    });
}

/// Waits at the meeting if the item is 9.
#[parallel]
fn last_waits(meeting: &str, x: u64) -> u64 {
    if x == 9 {
        meet(meeting, x);
    }
    x
}

#[test]
fn results_of_a_chunk_do_not_wait_for_its_slow_item() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let name = meeting.name();
        let items = (0..10).map(|x| (name, x));
        let job = pool.job(last_waits).chunk_size(10);
        let mut results = job.imap(items).unwrap();
        for x in 0..9 {
            assert_eq!(results.next().unwrap().unwrap(), x);
        }
        drop(meeting.wait());
        assert_eq!(results.next().unwrap().unwrap(), 9);
        assert!(results.next().is_none());
    });
}

#[test]
fn nor_do_they_while_another_thread_waits_for_something_else() {
    in_time(|| {
        let pool = pool(2);
        let (other, meeting) = (Meeting::new(), Meeting::new());
        let task = pool.spawn(first_waits, (other.name(), 0)).unwrap();
        let guest = other.wait();
        std::thread::scope(|scope| {
            let join = scope.spawn(|| task.join().unwrap());
            // Calls of this thread get their results from the one that joins, as soon as it waits.
            for x in 0..20 {
                assert_eq!(pool.map(square, [x]).unwrap(), [x * x]);
            }
            let items = (0..10).map(|x| (meeting.name(), x));
            let job = pool.job(last_waits).chunk_size(10);
            let mut results = job.imap(items).unwrap();
            for x in 0..9 {
                assert_eq!(results.next().unwrap().unwrap(), x);
            }
            drop(meeting.wait());
            assert_eq!(results.next().unwrap().unwrap(), 9);
            drop(guest);
            assert_eq!(join.join().unwrap(), 0);
        });
    });
}

#[test]
fn a_worker_that_stands_still_for_a_while_loses_no_item() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let spawn = |_| pool.spawn(first_waits, (meeting.name(), 0)).unwrap();
        let tasks = [spawn(0), spawn(1)];
        let guests = [meeting.wait(), meeting.wait()];
        let [still, _] = guests.map(|guest| guest.process);
        assert!(tasks.into_iter().all(|task| task.join().is_ok()));

        still.signal(Signal::STOP);
        let job = pool.job(square).chunk_size(1);
        let mut results = job.imap_unordered(0..1000).unwrap();
        // At most one item is with the worker that stands still, the other one takes the rest.
        let early: BTreeSet<_> = results.by_ref().take(999).map(|(index, _)| index).collect();
        still.signal(Signal::CONT);
        let late: BTreeSet<_> = results.map(|(index, _)| index).collect();
        assert_eq!((early.len(), late.len()), (999, 1));
        assert!(early.is_disjoint(&late));
    });
}

#[test]
fn ordered_results_wait_for_a_slow_one_and_no_longer() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let name = meeting.name().to_owned();
        let release = std::thread::spawn(move || drop(meeting.wait()));
        let items = (0..500).map(|x| (name.as_str(), x));
        let results = pool.imap(first_waits, items).unwrap();
        assert!(results.map(Result::unwrap).eq(0..500));
        release.join().unwrap();
    });
}

#[test]
fn an_item_that_fails_is_an_err_in_its_place() {
    in_time(|| {
        let pool = pool(2);
        for how in [0, 1] {
            let items = (0..70).map(|x| (x, how));
            let mut results = pool.imap(seventh_fails, items).unwrap();
            for (x, result) in (0..).zip(results.by_ref()) {
                match result {
                    Ok(same) => assert_eq!(same, x),
                    Err(error) => {
                        assert_eq!((x % 7, error.index()), (6, x as usize));
                        assert_eq!((error.is_panic(), error.is_crash()), (how == 0, how == 1));
                    }
                }
            }
            let items = (0..70).map(|x| (x, how));
            let results = pool.imap_unordered(seventh_fails, items).unwrap();
            let (bad, good): (Vec<_>, Vec<_>) = results.partition(|(_, result)| result.is_err());
            assert_eq!((bad.len(), good.len()), (10, 60));
            for (index, result) in bad {
                assert_eq!((index % 7, result.unwrap_err().index()), (6, index));
            }
        }
    });
}

/// Takes results until taking one panics; gives those before, and what the panic said.
fn until_panic<R>(mut results: impl Iterator<Item = R>) -> (Vec<R>, String) {
    let mut taken = Vec::new();
    loop {
        match catch_unwind(AssertUnwindSafe(|| results.next())) {
            Ok(Some(result)) => taken.push(result),
            Ok(None) => panic!("the panic of the iterator was lost"),
            Err(payload) => {
                let message = payload.downcast_ref::<String>().expect("a message");
                return (taken, message.clone());
            }
        }
    }
}

#[test]
fn what_came_before_the_iterator_panics_is_delivered() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            for at in [0, 1, 5, 300, 3000] {
                let items = || (0..5000).inspect(move |x| assert!(*x != at, "no item {at}"));
                let (taken, message) = until_panic(pool.imap(square, items()).unwrap());
                assert!(message.contains(&format!("no item {at}")), "{message}");
                let taken: Vec<_> = taken.into_iter().map(Result::unwrap).collect();
                assert!(
                    taken.into_iter().eq((0..at).map(|x| x * x)),
                    "all before {at}"
                );

                let (taken, _) = until_panic(pool.imap_unordered(square, items()).unwrap());
                let indexes: BTreeSet<_> = taken.into_iter().map(|(index, _)| index).collect();
                assert!(indexes.into_iter().eq(0..at as usize), "all before {at}");
            }
            assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
            pool.shutdown().unwrap();
        }
    });
}

#[test]
fn several_at_once_in_turns() {
    in_time(|| {
        let pool = pool(2);
        let calls = (0..5_u64).map(|start| pool.imap(square, start..).unwrap());
        let mut calls: Vec<_> = calls.collect();
        for round in 0..500 {
            for (start, call) in (0_u64..).zip(&mut calls) {
                assert_eq!(call.next().unwrap().unwrap(), (start + round).pow(2));
            }
        }
    });
}

#[test]
fn one_feeds_another() {
    in_time(|| {
        let pool = pool(2);
        let inner = pool.imap(square, 0..).unwrap().map(Result::unwrap);
        let outer = pool.imap(square, inner).unwrap().map(Result::unwrap);
        assert!(outer.take(2000).eq((0_u64..2000).map(|x| x.pow(4))));
    });
}

#[test]
fn it_can_be_sent_to_another_thread() {
    in_time(|| {
        let pool = pool(2);
        let mut results = pool.imap(square, 0..100).unwrap();
        assert_eq!(results.next().unwrap().unwrap(), 0);
        let rest = std::thread::spawn(move || results.map(Result::unwrap).sum::<u64>());
        assert_eq!(rest.join().unwrap(), (0..100).map(|x| x * x).sum());
    });
}

#[test]
fn a_pool_that_goes_first_ends_it_with_an_error() {
    in_time(|| {
        let pool = pool(2);
        let mut ordered = pool.imap(square, 0..).unwrap();
        let mut unordered = pool.imap_unordered(square, 0..).unwrap();
        assert!(ordered.next().unwrap().is_ok());
        assert!(unordered.next().unwrap().1.is_ok());
        drop(pool);
        let error = ordered.find_map(Result::err).expect("an error at the end");
        assert!(error.is_cancelled(), "{error}");
        assert!(ordered.next().is_none());
        let error = unordered.find_map(|(_, result)| result.err());
        assert!(error.expect("an error at the end").is_cancelled());
        assert!(unordered.next().is_none());
    });
}

#[test]
fn what_is_not_taken_is_run_no_further_than_read() {
    in_time(|| {
        let pool = pool(2);
        let mut results = pool.job(square).read_ahead(10).imap(0..).unwrap();
        results.next().unwrap().unwrap();
        // The pool is free for others meanwhile, and the call goes on later.
        assert_eq!(pool.map(square, 0..1000).unwrap().len(), 1000);
        assert_eq!(results.next().unwrap().unwrap(), 1);
    });
}

#[test]
fn shutdown_does_not_wait_for_results_that_nobody_takes() {
    in_time(|| {
        let pool = pool(2);
        let mut results = pool.imap(square, 0..).unwrap();
        assert_eq!(results.next().unwrap().unwrap(), 0);
        pool.shutdown().unwrap();
        // What was read before is done; what would be read now is not.
        let (mut expected, mut over) = (1, false);
        for result in results {
            assert!(!over, "nothing comes behind the end");
            match result {
                Ok(square) => assert_eq!(square, expected * expected),
                Err(error) => {
                    assert!(error.is_cancelled(), "{error}");
                    over = true;
                }
            }
            expected += 1;
        }
        assert!(over);
    });
}

//! `wait_any` and `wait_all`: over one pool and several, with limits, from many threads.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, Result, Task, wait_all, wait_all_timeout, wait_any, wait_any_timeout};
use parproc_tests::{LIMIT, Meeting, in_time, inline_pool, pool};

use super::{add, bad, wait_at};

#[test]
fn wait_any_gives_the_first_one() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let mut tasks = vec![pool.spawn(wait_at, (meeting.name(), 0)).unwrap()];
        let guest = meeting.wait();
        tasks.extend((1..20).map(|x| pool.spawn(add, (x, 100)).unwrap()));
        let mut sums = Vec::new();
        while tasks.len() > 1 {
            let place = wait_any(&tasks).unwrap();
            assert_ne!(place, 0, "that one is slow");
            sums.push(tasks.remove(place).join().unwrap());
        }
        sums.sort_unstable();
        assert!(sums.into_iter().eq(101..120));
        drop(guest);
        assert_eq!(wait_any(&tasks), Some(0));
        assert_eq!(wait_any(&tasks), Some(0), "the result stays");
        assert_eq!(tasks.remove(0).join().unwrap(), 0);
    });
}

#[test]
fn wait_any_of_nothing() {
    in_time(|| {
        assert_eq!(wait_any::<u8>(&[]), None);
        assert_eq!(wait_any_timeout::<u8>(&[], LIMIT), None);
        let mut tasks = [pool(1), inline_pool()].map(|pool| pool.spawn(add, (1, 1)).unwrap());
        for (place, task) in tasks.iter_mut().enumerate().rev() {
            let _ = task.join_timeout(LIMIT);
            assert!(task.try_join().is_err(), "{place}");
        }
        assert_eq!(wait_any(&tasks), None, "all results were taken");
    });
}

#[test]
fn wait_any_is_drained_by_try_join() {
    in_time(|| {
        let pool = pool(2);
        let spawn = |x| pool.spawn(add, (x, 0)).unwrap();
        let mut tasks: Vec<_> = (0..50).map(spawn).collect();
        let mut sum = 0;
        while let Some(place) = wait_any(&tasks) {
            sum += tasks[place].try_join().unwrap().expect("it is done");
        }
        assert_eq!(sum, 50 * 49 / 2);
    });
}

#[test]
fn wait_any_over_pools() {
    in_time(|| {
        let pools = [pool(1), pool(1), inline_pool()];
        for quick in 0..2 {
            let meetings = [Meeting::new(), Meeting::new()];
            let spawn = |place: usize| {
                let meeting = &meetings[place];
                let task = pools[place].spawn(wait_at, (meeting.name(), 7)).unwrap();
                (task, Some(meeting.wait()))
            };
            let ((one, guest_one), (two, guest_two)) = (spawn(0), spawn(1));
            let (tasks, mut guests) = ([one, two], [guest_one, guest_two]);
            assert_eq!(wait_any_timeout(&tasks, Duration::from_millis(3)), None);
            let guest = guests[quick].take();
            let release = thread::spawn(|| drop(guest));
            assert_eq!(wait_any(&tasks), Some(quick));
            release.join().unwrap();
            assert!(!tasks[1 - quick].is_finished());
            drop(guests);
            assert!(wait_all(tasks).into_iter().all(|word| word.unwrap() == 7));
        }
        let meeting = Meeting::new();
        let slow = pools[0].spawn(wait_at, (meeting.name(), 7)).unwrap();
        let _guest = meeting.wait();
        let done = pools[2].spawn(add, (1, 2)).unwrap();
        assert_eq!(wait_any(&[slow, done]), Some(1));
    });
}

#[test]
fn wait_any_keeps_its_limit() {
    in_time(|| {
        let pools = [pool(1), pool(1)];
        let meeting = Meeting::new();
        let spawn = |pool: &Pool| pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
        let tasks = [spawn(&pools[0]), spawn(&pools[1])];
        let guests = [meeting.wait(), meeting.wait()];
        for limit in [0, 1, 20] {
            let limit = Duration::from_millis(limit);
            for tasks in [&tasks[..1], &tasks[..]] {
                let begin = Instant::now();
                assert_eq!(wait_any_timeout(tasks, limit), None);
                assert!(begin.elapsed() >= limit);
            }
        }
        drop(guests);
        assert_eq!(wait_any_timeout(&tasks[1..], Duration::MAX), Some(0));
        assert!(wait_any_timeout(&tasks, LIMIT).is_some());
    });
}

#[test]
fn wait_any_sees_a_crash_and_the_end_of_a_pool() {
    in_time(|| {
        let (one, two) = (pool(2), pool(1));
        let meeting = Meeting::new();
        let slow = |pool: &Pool| {
            let task = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
            (task, meeting.wait())
        };
        let (slow_one, guest_one) = slow(&one);
        let (slow_two, _guest_two) = slow(&two);
        let (crash, guest) = slow(&one);
        let tasks = [slow_one, crash];
        let waits = thread::spawn(move || (wait_any(&tasks), tasks));
        guest.process.kill();
        let (first, [slow_one, crash]) = waits.join().unwrap();
        assert_eq!(first, Some(1));
        assert!(crash.join().unwrap_err().task().unwrap().is_crash());
        let tasks = [slow_one, slow_two];
        let waits = thread::spawn(move || (wait_any(&tasks), tasks));
        drop(two);
        let (first, [slow_one, slow_two]) = waits.join().unwrap();
        assert_eq!(first, Some(1));
        assert!(slow_two.join().unwrap_err().is_closed());
        drop(guest_one);
        assert_eq!(slow_one.join().unwrap(), 0);
    });
}

#[test]
fn ten_threads_wait_for_the_same_tasks() {
    in_time(|| {
        let pools = [pool(1), pool(1)];
        for used in [&pools[..1], &pools[..]] {
            let meeting = Meeting::new();
            let spawn = |pool: &Pool| pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
            let tasks: Vec<_> = used.iter().map(spawn).collect();
            let guests: Vec<_> = tasks.iter().map(|_| meeting.wait()).collect();
            let barrier = Barrier::new(11);
            thread::scope(|scope| {
                let waits: Vec<_> = (0..10)
                    .map(|_| {
                        scope.spawn(|| {
                            let short = Duration::from_micros(300);
                            assert_eq!(wait_any_timeout(&tasks, short), None);
                            barrier.wait();
                            wait_any(&tasks)
                        })
                    })
                    .collect();
                barrier.wait();
                drop(guests);
                for wait in waits {
                    assert!(wait.join().unwrap().is_some());
                }
            });
            for result in wait_all(tasks) {
                assert_eq!(result.unwrap(), 0);
            }
        }
    });
}

#[test]
fn wait_all_keeps_the_places() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let hows = [4, 0, 2, 0, 3];
            let results = wait_all(hows.map(|how| pool.spawn(bad, how).unwrap()));
            for (how, result) in hows.into_iter().zip(results) {
                match result {
                    Ok(same) => assert_eq!(same, how),
                    Err(error) => assert!(how == 0 && error.task().unwrap().is_panic()),
                }
            }
        }
        let (one, two) = (pool(1), pool(2));
        let pools = [&one, &two, &one, &two, &two];
        let spawn = |(how, pool): (usize, &Pool)| pool.spawn(bad, how as u8).unwrap();
        let results = wait_all(pools.into_iter().enumerate().map(spawn));
        assert!(results[0].as_ref().unwrap_err().task().unwrap().is_panic());
        assert!(results[1].as_ref().unwrap_err().task().unwrap().is_crash());
        for (how, result) in results.into_iter().enumerate().skip(2) {
            assert_eq!(usize::from(result.unwrap()), how);
        }
        assert!(wait_all(Vec::<Task<u8>>::new()).is_empty());
    });
}

#[test]
fn tasks_that_an_iterator_spawns_run_at_once() {
    in_time(|| {
        let pool = pool(3);
        let meeting = Meeting::new();
        let spawn = |word| pool.spawn(wait_at, (meeting.name(), word)).unwrap();
        thread::scope(|scope| {
            let all = scope.spawn(|| wait_all((0..3).map(spawn)));
            drop([meeting.wait(), meeting.wait(), meeting.wait()]);
            let words = all.join().unwrap().into_iter().map(Result::unwrap);
            assert!(words.eq(0..3));
        });
    });
}

#[test]
fn wait_all_with_a_limit_gives_the_tasks_back() {
    in_time(|| {
        let (one, two) = (pool(1), pool(1));
        let meeting = Meeting::new();
        let mut tasks = vec![
            one.spawn(add, (1, 2)).unwrap(),
            two.spawn(add, (1, 2)).unwrap(),
        ];
        tasks.push(one.spawn(wait_at, (meeting.name(), 3)).unwrap());
        let guest = meeting.wait();
        for limit in [0, 1, 20] {
            let limit = Duration::from_millis(limit);
            let begin = Instant::now();
            tasks = wait_all_timeout(tasks, limit).unwrap_err();
            assert!(begin.elapsed() >= limit);
            assert_eq!(tasks.len(), 3);
        }
        drop(guest);
        let results = wait_all_timeout(tasks, Duration::MAX).unwrap();
        assert!(results.into_iter().all(|sum| sum.unwrap() == 3));
    });
}

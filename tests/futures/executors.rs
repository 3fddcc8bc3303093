//! The same tasks on smol, and in the combinators of `futures`.

use std::sync::Arc;

use futures::future::{Either, join_all, select, try_join_all};
use futures::stream::{self, FuturesOrdered, FuturesUnordered};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use parproc_tests::{Meeting, Tally, in_time, pool};

use super::{add, bad, noted_after, wait_at};

#[test]
fn many_tasks_are_awaited_by_smol() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let sum: u64 = smol::block_on(async {
            let spawn = |x| {
                let pool = Arc::clone(&pool);
                smol::spawn(async move {
                    let sum = pool.spawn(add, (x, 1))?.await?;
                    pool.spawn(add, (sum, 1))?.await
                })
            };
            let tasks: Vec<_> = (0..500).map(spawn).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 500 * 499 / 2 + 1000);
    });
}

#[test]
fn a_task_whose_wait_smol_cancels_runs_on() {
    in_time(|| {
        let pool = pool(1);
        let (meeting, tally) = (Meeting::new(), Tally::new());
        let task = pool
            .spawn(noted_after, (meeting.name(), tally.path(), 1))
            .unwrap();
        let waiting = smol::spawn(task);
        let guest = meeting.wait();
        assert!(smol::block_on(waiting.cancel()).is_none());
        drop(guest);
        pool.shutdown().unwrap();
        assert_eq!(tally.total(), 1);
    });
}

#[test]
fn tasks_are_joined_all_together() {
    in_time(|| {
        let pool = pool(2);
        let spawn = |x| pool.spawn(add, (x, x)).unwrap();
        let all = smol::block_on(join_all((0..100).map(spawn)));
        assert!(all.into_iter().map(Result::unwrap).eq((0..200).step_by(2)));

        let spawn = |how| pool.spawn(bad, how).unwrap();
        let error = smol::block_on(try_join_all((0..5).rev().map(spawn))).unwrap_err();
        assert!(error.is_task());
        let all = smol::block_on(join_all((0..5).map(spawn)));
        let fine: Vec<_> = all.into_iter().map(|result| result.is_ok()).collect();
        assert_eq!(fine, [false, false, true, true, true]);
    });
}

#[test]
fn the_first_of_two_is_selected_and_the_other_one_goes_on() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 4)).unwrap();
        let guest = meeting.wait();
        let quick = pool.spawn(add, (1, 2)).unwrap();
        smol::block_on(async {
            match select(slow, quick).await {
                Either::Left(_) => panic!("the slow one"),
                Either::Right((quick, slow)) => {
                    assert_eq!(quick.unwrap(), 3);
                    drop(guest);
                    assert_eq!(slow.await.unwrap(), 4);
                }
            }
        });
    });
}

#[test]
fn tasks_are_a_stream_in_the_order_in_which_they_end() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 1000)).unwrap();
        let guest = meeting.wait();
        let tasks: FuturesUnordered<_> =
            (0..20).map(|x| pool.spawn(add, (x, 0)).unwrap()).collect();
        tasks.push(pool.spawn(add, (20, 0)).unwrap());
        let tasks = stream::select(tasks, slow.into_stream());
        smol::block_on(async {
            let mut guest = Some(guest);
            let mut sum = 0;
            let mut tasks = tasks;
            while let Some(result) = tasks.next().await {
                sum += result.unwrap();
                if sum == 210 {
                    drop(guest.take());
                }
            }
            assert_eq!(sum, 1210);
        });
        let mut ordered: FuturesOrdered<_> =
            (0..20).map(|x| pool.spawn(add, (x, 0)).unwrap()).collect();
        for x in 0..20 {
            assert_eq!(smol::block_on(ordered.next()).unwrap().unwrap(), x);
        }
    });
}

#[test]
fn a_stream_has_so_many_tasks_at_a_time() {
    in_time(|| {
        let pool = pool(2);
        let results = stream::iter(0..200)
            .map(|x| {
                let task = std::future::ready(pool.spawn(add, (x, 1)));
                task.and_then(|task| task)
            })
            .buffered(8)
            .try_collect::<Vec<_>>();
        assert!(smol::block_on(results).unwrap().into_iter().eq(1..201));
        let sum = stream::iter(0..200)
            .map(|x| pool.spawn(add, (x, 1)).unwrap().map(Result::unwrap))
            .buffer_unordered(8)
            .fold(0, async |sum, x| sum + x);
        assert_eq!(smol::block_on(sum), 200 * 201 / 2);
    });
}

#[test]
fn a_set_of_tasks_that_is_dropped_leaves_them_running() {
    in_time(|| {
        let pool = pool(1);
        let (meeting, tally) = (Meeting::new(), Tally::new());
        let first = pool
            .spawn(noted_after, (meeting.name(), tally.path(), 1))
            .unwrap();
        let guest = meeting.wait();
        let mut tasks: FuturesUnordered<_> = [first].into_iter().collect();
        assert!(tasks.next().now_or_never().is_none());
        drop(tasks);
        drop(guest);
        pool.shutdown().unwrap();
        assert_eq!(tally.total(), 1);
    });
}

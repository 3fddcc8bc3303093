//! A chunk that a worker has begun: what it has not begun of it goes to workers that are idle.

use parproc::{Pool, TaskError, parallel};
use parproc_tests::{Guest, Meeting, Tally, in_time, meet, note, pool, settled};

const ITEMS: u64 = 50;

/// Notes that it runs, and stays as long as its guest if it is the one that shall.
#[parallel]
fn stay(notes: &str, meeting: &str, who: u64, item: u64) -> u64 {
    note(notes, item);
    if item == who {
        meet(meeting, item);
    }
    item * item
}

/// One chunk of all items, in which the item `who` stays until `end` is done with it. By then every other item was
/// run.
fn in_one_chunk(
    workers: usize,
    who: u64,
    end: impl FnOnce(Guest) + Send + 'static,
) -> Vec<Result<u64, TaskError>> {
    in_time(move || {
        let (pool, meeting, notes) = (pool(workers), Meeting::new(), Tally::new());
        std::thread::scope(|scope| {
            let items = (0..ITEMS).map(|item| (notes.path(), meeting.name(), who, item));
            let job = pool.job(stay).chunk_size(ITEMS as usize);
            let call = scope.spawn(|| job.outcomes(items).unwrap());
            let guest = meeting.wait();
            let all = ITEMS as usize;
            assert_eq!(settled(&all, || notes.total()), all, "items that ran");
            end(guest);
            let results = call.join().unwrap();
            assert!(notes.counts().values().all(|runs| *runs == 1));
            results
        })
    })
}

fn squares() -> Vec<u64> {
    (0..ITEMS).map(|item| item * item).collect()
}

#[test]
fn items_behind_one_that_takes_long_run_elsewhere() {
    for who in [0, 20, ITEMS - 2] {
        let results = in_one_chunk(2, who, drop);
        let results: Result<Vec<_>, _> = results.into_iter().collect();
        assert_eq!(results.unwrap(), squares(), "in order, item {who} last");
    }
}

#[test]
fn a_worker_that_is_killed_when_its_chunk_was_divided_costs_its_item() {
    for who in [0, 20, ITEMS - 2] {
        let results = in_one_chunk(3, who, |guest| guest.process.kill());
        for (item, result) in (0..).zip(results) {
            match result {
                Ok(square) => assert!(item != who && square == item * item),
                Err(error) => assert_eq!((item, error.signal()), (who, Some(9))),
            }
        }
    }
}

/// Waits until another one of three has come.
#[parallel]
fn gather(meeting: &str, item: u64) -> u64 {
    meet(meeting, item);
    item
}

#[test]
fn as_many_items_of_a_chunk_run_at_once_as_there_are_workers() {
    let results = in_time(|| {
        let (pool, meeting) = (pool(3), Meeting::new());
        std::thread::scope(|scope| {
            let items = (0..9).map(|item| (meeting.name(), item));
            let call = scope.spawn(|| pool.job(gather).chunk_size(9).map(items));
            for _ in 0..3 {
                let guests = [meeting.wait(), meeting.wait(), meeting.wait()];
                drop(guests);
            }
            call.join().unwrap().unwrap()
        })
    });
    assert!(results.into_iter().eq(0..9));
}

#[test]
fn results_of_items_taken_over_are_there_before_the_one_that_stays() {
    in_time(|| {
        let (pool, meeting, notes) = (pool(2), Meeting::new(), Tally::new());
        let items = (0..ITEMS).map(|item| (notes.path(), meeting.name(), 0, item));
        let job = pool.job(stay).chunk_size(ITEMS as usize);
        let mut results = job.imap_unordered(items).unwrap();
        // It stays until the meeting is over.
        let mut others: Vec<_> = results
            .by_ref()
            .take(ITEMS as usize - 1)
            .map(|(item, result)| (item as u64, result.unwrap()))
            .collect();
        drop(meeting.wait());
        others.extend(results.map(|(item, result)| (item as u64, result.unwrap())));
        assert_eq!(others.last(), Some(&(0, 0)));
        others.sort_unstable();
        assert!(others.iter().map(|(_, square)| *square).eq(squares()));
    });
}

/// Tiny, unless it is the one that stays.
#[parallel]
fn pass(meeting: &str, item: u64) -> u64 {
    if item == 0 {
        meet(meeting, item);
    }
    item + 1
}

/// Has the pool learnt that its items are tiny.
fn learn(pool: &Pool) {
    for _ in 0..20 {
        pool.map(pass, (1..1_000_u64).map(|item| ("", item)))
            .unwrap();
    }
}

#[test]
fn a_tiny_function_that_takes_long_for_once_holds_up_nothing_else() {
    in_time(|| {
        let (pool, meeting) = (pool(3), Meeting::new());
        learn(&pool);
        for _ in 0..3 {
            let stays = pool.spawn(pass, (meeting.name(), 0)).unwrap();
            let guest = meeting.wait();
            // Those go first to the worker that is busy.
            let items = (1..1_000_u64).map(|item| ("", item));
            assert!(pool.map(pass, items).unwrap().into_iter().eq(2..=1_000));
            let tasks: Vec<_> = (1..1_000_u64)
                .map(|item| pool.spawn(pass, ("", item)).unwrap())
                .collect();
            for (item, task) in (1..).zip(tasks) {
                assert_eq!(task.join().unwrap(), item + 1);
            }
            drop(guest);
            assert_eq!(stays.join().unwrap(), 1);
        }
    });
}

#[test]
fn tasks_that_nobody_waits_for_are_not_held_up_either() {
    in_time(|| {
        let (pool, meeting) = (pool(3), Meeting::new());
        learn(&pool);
        // Each holds up a worker, whichever of them stand in one chunk.
        let stay: Vec<_> = (0..3)
            .map(|_| pool.spawn(pass, (meeting.name(), 0)).unwrap())
            .collect();
        let guests = [meeting.wait(), meeting.wait(), meeting.wait()];
        drop(guests);
        for task in stay {
            assert_eq!(task.join().unwrap(), 1);
        }
    });
}

/// Notes who runs it, and stays as long as its guest if it is the first of fifty.
#[parallel]
fn noted(notes: &str, meeting: &str, item: u64) {
    note(notes, std::process::id());
    if item.is_multiple_of(ITEMS) {
        meet(meeting, item);
    }
}

#[test]
fn a_worker_too_many_goes_after_the_item_that_it_has_begun() {
    in_time(|| {
        let (pool, meeting, notes) = (pool(2), Meeting::new(), Tally::new());
        std::thread::scope(|scope| {
            let items = (0..2 * ITEMS).map(|item| (notes.path(), meeting.name(), item));
            let job = pool.job(noted).chunk_size(ITEMS as usize);
            let call = scope.spawn(|| job.for_each(items).unwrap());
            let guests = [meeting.wait(), meeting.wait()];
            pool.resize(1).unwrap();
            drop(guests);
            call.join().unwrap();
        });
        let mut counts: Vec<_> = notes.counts().into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2 * ITEMS as usize - 1]);
    });
}

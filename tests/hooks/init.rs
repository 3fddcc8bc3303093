//! Init functions that do well, and what waits for them.

use std::collections::BTreeSet;
use std::process;
use std::thread;
use std::time::Duration;

use parproc::{Pool, parallel, worker};
use parproc_tests::{Meeting, Tally, in_time, meet, note, settled};

use super::{aborts, builder, count, meet_first, noted, prepare, say_goodbye, task};

#[test]
fn init_runs_once_in_each_worker_and_before_its_tasks() {
    in_time(|| {
        let tally = Tally::new();
        let pool = builder(2).init(prepare, tally.path()).build().unwrap();
        let results = pool.job(count).chunk_size(1).map(vec![(); 200]).unwrap();
        let used: BTreeSet<_> = results.iter().map(|(_, pid)| pid.to_string()).collect();
        let inits = noted(&tally, "init");
        assert!(used.is_subset(&inits), "{used:?}, {inits:?}");
        assert!(inits.len() <= 2, "{inits:?}");
        for pid in &used {
            let own = results.iter().filter(|(_, own)| own.to_string() == *pid);
            let counts: BTreeSet<_> = own.map(|(count, _)| *count).collect();
            assert!(counts.iter().copied().eq(1..=counts.len()), "{counts:?}");
        }
    });
}

#[test]
fn a_pool_that_is_not_used_calls_nothing() {
    in_time(|| {
        let tally = Tally::new();
        let builder = builder(2).init(prepare, tally.path()).exit(say_goodbye);
        drop(builder.clone().build().unwrap());
        builder.build().unwrap().shutdown().unwrap();
        assert_eq!(tally.total(), 0);
    });
}

#[parallel]
fn note_task(tally: &str) {
    note(tally, "task");
}

#[test]
fn tasks_wait_for_init_and_then_run_though_nobody_waits_for_them() {
    in_time(|| {
        let (tally, meeting) = (Tally::new(), Meeting::new());
        let pool = builder(1).init(meet_first, meeting.name()).build().unwrap();
        let mut tasks = Vec::new();
        for _ in 0..3 {
            tasks.push(pool.spawn(note_task, tally.path()).unwrap());
        }
        let guest = meeting.wait();
        assert!(tasks.iter().all(|task| !task.is_finished()));
        let waited = tasks[0].join_timeout(Duration::from_millis(20));
        assert!(waited.unwrap_err().is_timeout());
        assert_eq!(tally.total(), 0);
        drop(guest);
        assert_eq!(settled(&3, || tally.total()), 3);
        for task in tasks {
            task.join().unwrap();
        }
    });
}

#[parallel(timeout = "150ms")]
fn hangs_by_attribute() {
    loop {
        thread::park();
    }
}

#[parallel]
fn takes_a_while() {
    thread::sleep(Duration::from_millis(300));
}

#[test]
fn the_time_of_items_is_not_that_of_init() {
    in_time(|| {
        let limit = Duration::from_millis(100);
        let pool = builder(1).timeout(limit).init(takes_a_while, ()).build();
        assert_eq!(pool.unwrap().map(task, 0..3).unwrap(), [0, 1, 2]);
        let pool = builder(1).init(hangs_by_attribute, ()).build().unwrap();
        let error = pool.map(task, [1]).unwrap_err();
        assert!(error.to_string().contains("150ms"), "{error}");
    });
}

/// A value that is not what it was any more when it arrives.

#[test]
fn the_age_of_a_worker_counts_from_the_end_of_init() {
    in_time(|| {
        let age = Duration::from_millis(50);
        let pool = builder(1).max_age_per_worker(age).init(takes_a_while, ());
        let pool = pool.build().unwrap();
        assert_eq!(pool.map(task, 0..3).unwrap(), [0, 1, 2]);
    });
}

#[parallel]
fn loads(bytes: usize) {
    worker::set_local(vec![1_u8; bytes]);
    // Long enough for somebody to look.
    thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_worker_whose_init_uses_more_memory_than_it_may_keep_still_runs_something() {
    in_time(|| {
        let limit = 50 << 20;
        let builder = builder(1).max_memory_per_worker(limit);
        let pool = builder.init(loads, 100 << 20).build().unwrap();
        assert_eq!(pool.map(task, 0..3).unwrap(), [0, 1, 2]);
    });
}

#[parallel]
fn meet_at_start(meeting: &str) {
    meet(meeting, worker::id().unwrap() as u64);
}

#[test]
fn a_spare_worker_is_ready_while_another_one_is_still_in_init() {
    in_time(|| {
        let meeting = Meeting::new();
        let pool = builder(1).spares(1).init(meet_at_start, meeting.name());
        let pool = pool.build().unwrap();
        let crash = pool.spawn(aborts, ()).unwrap();
        let (first, second) = (meeting.wait(), meeting.wait());
        let ready = [first.process.id, second.process.id];
        drop((first, second));
        assert!(crash.join().unwrap_err().task().unwrap().is_crash());
        let spare = pool.map(pid, [()]).unwrap()[0];
        assert!(ready.contains(&spare));
        let third = meeting.wait();
        assert_eq!(pool.map(pid, vec![(); 10]).unwrap(), [spare; 10]);
        drop(third);
    });
}

#[parallel]
fn pid() -> u32 {
    process::id()
}

#[parallel]
fn sums(tally: &str, numbers: Vec<u64>) -> Result<(), String> {
    note(tally, "sum");
    let sum: u64 = numbers.iter().sum();
    worker::set_local(sum);
    Ok(())
}

#[parallel]
fn sum() -> u64 {
    worker::with_local(|sum: &mut u64| *sum).unwrap()
}

#[test]
fn arguments_of_init_that_are_larger_than_the_ring_arrive() {
    in_time(|| {
        let numbers: Vec<u64> = (0..500_000).collect();
        let expected: u64 = numbers.iter().sum();
        let limit = Duration::from_secs(5);
        let tally = Tally::new();
        let pool = builder(2).init(sums, (tally.path(), numbers));
        let pool = pool.init_timeout(limit).build().unwrap();
        // The worker that is started for this task is made ready also if nobody waits for it any more.
        pool.spawn(sum, ()).unwrap().cancel();
        assert_eq!(settled(&1, || tally.total()), 1);
        assert_eq!(pool.spawn(sum, ()).unwrap().join().unwrap(), expected);
        assert_eq!(pool.map(sum, vec![(); 4]).unwrap(), vec![expected; 4]);
    });
}

#[parallel]
fn only_worker_0(tally: &str) -> Result<(), String> {
    note(tally, format!("init {}", process::id()));
    match worker::id() {
        Some(0) => Ok(()),
        id => Err(format!("no device for {id:?}")),
    }
}

#[parallel]
fn id_slowly() -> Option<usize> {
    thread::sleep(Duration::from_millis(2));
    worker::id()
}

#[test]
fn workers_that_are_ready_go_on_when_others_fail() {
    in_time(|| {
        let tally = Tally::new();
        let pool = builder(4)
            .init(only_worker_0, tally.path())
            .build()
            .unwrap();
        // The first call may fail: one of the others may be the first to tell.
        let _ = pool.map(id_slowly, [()]);
        let ready = || pool.map(id_slowly, [()]).is_ok();
        assert!(settled(&true, ready));
        let ids = pool.map(id_slowly, vec![(); 300]).unwrap();
        assert!(ids.iter().all(|id| *id == Some(0)));
        // Those that fail are tried again, but less and less often.
        let tries = noted(&tally, "init").len();
        assert!(tries < 60, "{tries} tries");
    });
}

#[parallel]
fn meet_with_id(meeting: &str) -> Option<usize> {
    let id = worker::id();
    meet(meeting, id.map_or(u64::MAX, |id| id as u64));
    id
}

#[test]
fn each_living_worker_has_the_lowest_free_number() {
    in_time(|| {
        assert_eq!(worker::id(), None);
        let pool = builder(3).build().unwrap();
        let meeting = Meeting::new();
        let spawn = || pool.spawn(meet_with_id, meeting.name()).unwrap();
        let tasks = [spawn(), spawn(), spawn()];
        let mut guests = [meeting.wait(), meeting.wait(), meeting.wait()];
        guests.sort_by_key(|guest| guest.word);
        assert_eq!(guests.each_ref().map(|guest| guest.word), [0, 1, 2]);
        guests[1].process.kill();
        let replacement = spawn();
        assert_eq!(meeting.wait().word, 1);
        assert_eq!(replacement.join().unwrap(), Some(1));
        drop(guests);
        let crashed = tasks.map(|task| task.join().is_err());
        assert_eq!(crashed.into_iter().filter(|crashed| *crashed).count(), 1);
    });
}

#[test]
fn a_pool_can_be_dropped_and_killed_while_init_runs() {
    in_time(|| {
        let meeting = Meeting::new();
        let builder = builder(1)
            .init(meet_first, meeting.name())
            .exit(say_goodbye);
        let pool = builder.clone().build().unwrap();
        let waiting = pool.spawn(task, 1).unwrap();
        let guest = meeting.wait();
        drop(pool);
        assert!(guest.process.has_ended());
        assert!(waiting.join().unwrap_err().is_closed());

        let pool = builder.build().unwrap();
        let waiting = pool.spawn(task, 1).unwrap();
        let guest = meeting.wait();
        pool.kill();
        assert!(guest.process.has_ended());
        assert!(waiting.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_call_that_is_cancelled_during_init_leaves_the_worker_to_the_next() {
    in_time(|| {
        let meeting = Meeting::new();
        let pool = builder(1).init(meet_first, meeting.name()).build().unwrap();
        let unwanted = pool.spawn(task, 1).unwrap();
        let guest = meeting.wait();
        unwanted.cancel();
        assert!(unwanted.join().unwrap_err().is_cancelled());
        let wanted = pool.spawn(task, 2).unwrap();
        drop(guest);
        assert_eq!(wanted.join().unwrap(), 2);
    });
}

#[parallel]
fn own_pool() -> (Option<usize>, u32, u32) {
    let pool = Pool::builder().workers(2).build().unwrap();
    let inner = pool.map(who, [()]).unwrap().remove(0);
    (inner.0, inner.1, process::id())
}

#[parallel]
fn who() -> (Option<usize>, u32) {
    (worker::id(), process::id())
}

#[test]
fn a_pool_within_a_worker_is_of_that_worker() {
    in_time(|| {
        let pool = builder(1).build().unwrap();
        let (id, inner, outer) = pool.map(own_pool, [()]).unwrap().remove(0);
        assert_eq!((id, inner), (Some(0), outer));
        let inline = Pool::builder().inline().build().unwrap();
        assert_eq!(inline.map(who, [()]).unwrap(), [(None, process::id())]);
    });
}

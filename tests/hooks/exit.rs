//! Exit functions, and the order in which a worker ends.

use std::collections::BTreeSet;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, parallel, worker};
use parproc_tests::{Meeting, Tally, in_time, settled};

use super::{builder, count, meet_first, noted, prepare, say_goodbye, task};

#[test]
fn exit_runs_in_every_idle_worker_when_the_pool_ends() {
    in_time(|| {
        let end: [fn(Pool); 2] = [|pool| pool.shutdown().unwrap(), drop];
        for end in end {
            let (tally, meeting) = (Tally::new(), Meeting::new());
            let builder = builder(2).init(prepare, tally.path()).exit(say_goodbye);
            let pool = builder.build().unwrap();
            let both = [1, 2].map(|_| pool.spawn(meet_first, meeting.name()).unwrap());
            drop([meeting.wait(), meeting.wait()]);
            for task in both {
                task.join().unwrap();
            }
            end(pool);
            let inits = noted(&tally, "init");
            assert_eq!(inits.len(), 2);
            assert_eq!(noted(&tally, "exit"), inits);
            // What workers keep is dropped when they end.
            assert_eq!(tally.counts()["dropped"], 2);
        }
    });
}

#[test]
fn exit_does_not_run_in_workers_that_are_killed() {
    in_time(|| {
        let (tally, meeting) = (Tally::new(), Meeting::new());
        let builder = builder(1).init(prepare, tally.path()).exit(say_goodbye);
        let pool = builder.clone().build().unwrap();
        pool.map(task, [1]).unwrap();
        pool.kill();
        drop(pool);
        let pool = builder.build().unwrap();
        let busy = pool.spawn(meet_first, meeting.name()).unwrap();
        let guest = meeting.wait();
        drop(pool);
        assert!(guest.process.has_ended());
        busy.join().unwrap_err();
        assert_eq!(noted(&tally, "init").len(), 2);
        assert_eq!(noted(&tally, "exit").len(), 0);
    });
}

#[test]
fn a_worker_that_is_replaced_in_time_calls_exit() {
    in_time(|| {
        let tally = Tally::new();
        let builder = builder(1).init(prepare, tally.path()).exit(say_goodbye);
        let pool = builder.max_tasks_per_worker(3).build().unwrap();
        let results = pool.job(count).chunk_size(2).map(vec![(); 9]).unwrap();
        let counts: Vec<_> = results.iter().map(|(count, _)| *count).collect();
        // The call of the init function is none of the three.
        assert_eq!(counts, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
        pool.shutdown().unwrap();
        let used: BTreeSet<_> = results.iter().map(|(_, pid)| pid.to_string()).collect();
        let (inits, exits) = (noted(&tally, "init"), noted(&tally, "exit"));
        assert!(exits.is_subset(&inits), "{inits:?}, {exits:?}");
        assert!(used.is_subset(&exits), "{used:?}, {exits:?}");
    });
}

#[test]
fn a_worker_that_has_been_idle_for_long_calls_exit() {
    in_time(|| {
        let tally = Tally::new();
        let builder = builder(1).init(prepare, tally.path()).exit(say_goodbye);
        let pool = builder.idle_timeout(Duration::from_millis(20)).build();
        let pool = pool.unwrap();
        assert_eq!(pool.map(task, [1]).unwrap(), [1]);
        assert_eq!(settled(&1, || noted(&tally, "exit").len()), 1);
        // Nobody waits for what this one is started for.
        pool.spawn(task, 2).unwrap().cancel();
        assert_eq!(settled(&2, || noted(&tally, "exit").len()), 2);
        assert_eq!(pool.map(task, [3]).unwrap(), [3]);
    });
}

#[parallel]
fn takes_its_time() {
    thread::sleep(Duration::from_millis(1500));
}

#[test]
fn nobody_waits_for_an_exit_function_while_the_pool_goes_on() {
    in_time(|| {
        let builder = builder(1).exit(takes_its_time).max_tasks_per_worker(1);
        let pool = builder.build().unwrap();
        let begin = Instant::now();
        assert_eq!(pool.map(task, 0..4).unwrap(), [0, 1, 2, 3]);
        let took = begin.elapsed();
        assert!(took < Duration::from_millis(1500), "{took:?}");
    });
}

#[parallel]
fn exits_badly(how: &str) {
    worker::set_local(how.to_owned());
}

#[parallel]
fn ends_as_told() -> Vec<u8> {
    let how = worker::with_local(|how: &mut String| how.clone()).unwrap();
    match how.as_str() {
        "panic" => panic!("at the end"),
        "abort" => process::abort(),
        "hang" => loop {
            thread::park();
        },
        // More than the ring holds, and nobody takes it.
        _ => vec![1; 3 << 20],
    }
}

#[test]
fn however_exit_ends_the_pool_ends() {
    for how in ["panic", "abort", "hang", "much"] {
        in_time(move || {
            let builder = builder(2).init(exits_badly, how).exit(ends_as_told);
            let pool = builder.build().unwrap();
            assert_eq!(pool.map(task, 0..10).unwrap().len(), 10);
            pool.shutdown().unwrap();
        });
    }
}

//! How actors end: with their last handle, by order, with the program.

use std::time::Duration;

use parproc_tests::{
    LIMIT, Meeting, Process as Watch, Tally, children, in_time, program, role, settled, succeeds,
};

use super::{Counter, Deed, pid};

#[test]
fn the_last_handle_ends_the_actor_when_its_calls_are_done() {
    in_time(|| {
        let tally = Tally::new();
        let counter = Counter::spawn_noting(tally.path(), 5).unwrap();
        let process = Watch::watch(pid(&counter));
        let meeting = Meeting::new();
        let (first, second) = (counter.meets(meeting.name(), 1), counter.clone());
        let guest = meeting.wait();
        drop(counter);
        let last = second.add(1);
        drop(second);
        assert!(!process.has_ended());
        drop(guest);
        assert!(process.ends_within(LIMIT));
        assert_eq!(
            tally.counts().keys().collect::<Vec<_>>(),
            ["dropped with 7", "made"]
        );
        assert_eq!((first.join().unwrap(), last.join().unwrap()), (6, 7));
    });
}

#[test]
fn detached_calls_are_made_before_the_end() {
    in_time(|| {
        let tally = Tally::new();
        let counter = Counter::spawn_noting(tally.path(), 0).unwrap();
        let process = Watch::watch(pid(&counter));
        for _ in 0..5000 {
            drop(counter.add(1));
        }
        drop(counter);
        assert!(process.ends_within(LIMIT));
        assert_eq!(tally.counts().get("dropped with 5000"), Some(&1));
    });
}

#[test]
fn callbacks_are_called_also_without_a_handle() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let (sender, results) = std::sync::mpsc::channel();
        for _ in 0..100 {
            let sender = sender.clone();
            counter
                .add(1)
                .on_done(move |result| sender.send(result.unwrap()).unwrap());
        }
        drop((counter, sender));
        assert!(results.iter().eq(1..=100));
    });
}

#[test]
fn shutdown_waits_for_calls_and_for_the_end() {
    in_time(|| {
        let tally = Tally::new();
        let counter = Counter::spawn_noting(tally.path(), 0).unwrap();
        let process = Watch::watch(pid(&counter));
        let tasks: Vec<_> = (0..100).map(|_| counter.add(1)).collect();
        counter.shutdown().unwrap();
        assert!(process.has_ended());
        assert_eq!(tally.counts().get("dropped with 100"), Some(&1));
        assert!(
            tasks
                .into_iter()
                .map(|task| task.join().unwrap())
                .eq(1..=100)
        );
        assert!(!counter.is_alive());
        let error = counter.add(1).join().unwrap_err();
        assert!(
            error.is_closed() && error.to_string().contains("was shut down"),
            "{error}"
        );
        assert!(counter.clone().shutdown().unwrap_err().is_closed());
    });
}

#[test]
fn kill_ends_it_whatever_it_does() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let process = Watch::watch(pid(&counter));
        let (first, second) = (counter.set_and_do(1, Deed::Spin), counter.add(1));
        counter.kill();
        assert!(process.has_ended());
        for error in [first.join().unwrap_err(), second.join().unwrap_err()] {
            assert!(
                error.is_cancelled() && error.to_string().contains("was killed"),
                "{error}"
            );
        }
        let later = counter.add(1).join().unwrap_err();
        assert!(later.is_cancelled() && later.is_closed(), "{later}");
        counter.kill();
    });
}

#[test]
fn a_killed_actor_is_not_started_again() {
    in_time(|| {
        let tally = Tally::new();
        let counter = Counter::builder_noting(tally.path(), 0)
            .max_restarts(9)
            .spawn()
            .unwrap();
        counter.kill();
        assert!(counter.value().join().unwrap_err().is_cancelled());
        assert_eq!(tally.counts().keys().collect::<Vec<_>>(), ["made"]);
    });
}

#[test]
fn a_dead_actor_leaves_nothing_behind() {
    if role().is_none() {
        succeeds(&mut program(
            "ends::a_dead_actor_leaves_nothing_behind",
            "program",
        ));
        return;
    }
    let count = || {
        let entries = |path: &str| std::fs::read_dir(path).unwrap().count();
        (
            entries("/proc/self/fd"),
            entries("/proc/self/task"),
            children().len(),
        )
    };
    let all = || {
        drop(Counter::spawn(0).unwrap());
        let counter = Counter::spawn(0).unwrap();
        counter.add(1).on_done(drop);
        counter.shutdown().unwrap();
        let counter = Counter::spawn(0).unwrap();
        counter.kill();
        let counter = Counter::spawn(0).unwrap();
        assert!(counter.set_and_do(1, Deed::Abort).join().is_err());
        let counter = Counter::builder(0).max_restarts(1).spawn().unwrap();
        assert!(counter.set_and_do(1, Deed::Abort).join().is_err());
        drop(counter.add(1));
        assert!(Counter::spawn_doing(Deed::Panic).is_err());
    };
    let before = count();
    for _ in 0..10 {
        all();
    }
    assert_eq!(settled(&before, count), before);
}

#[test]
fn the_end_of_the_program_waits_for_what_was_asked_for() {
    const TEST: &str = "ends::the_end_of_the_program_waits_for_what_was_asked_for";
    if let Some(role) = role() {
        let (path, meeting) = role.split_once(' ').unwrap();
        let counter = Counter::spawn_noting(path, 0).unwrap();
        drop(counter.meets(meeting, 1));
        for _ in 0..1000 {
            drop(counter.add(1));
        }
        drop(counter);
        std::process::exit(0);
    }
    let (tally, meeting) = (Tally::new(), Meeting::new());
    let role = format!("{} {}", tally.path(), meeting.name());
    let mut child = program(TEST, role).spawn().unwrap();
    let guest = meeting.wait();
    assert!(!Watch::watch(child.id()).ends_within(Duration::from_millis(50)));
    drop(guest);
    assert!(child.wait().unwrap().success());
    assert_eq!(tally.counts().get("dropped with 1001"), Some(&1));
}

#[test]
fn the_end_of_the_program_ends_idle_actors_and_kills_busy_ones() {
    const TEST: &str = "ends::the_end_of_the_program_ends_idle_actors_and_kills_busy_ones";
    if let Some(path) = role() {
        let idle = Counter::spawn_noting(&path, 3).unwrap();
        let busy = Counter::spawn_noting(&path, 4).unwrap();
        let meeting = Meeting::new();
        let task = busy.meets(meeting.name(), 1);
        std::mem::forget(meeting.wait());
        std::mem::forget((idle, busy, task));
        std::process::exit(0);
    }
    let tally = Tally::new();
    succeeds(&mut program(TEST, tally.path()));
    let counts = tally.counts();
    assert_eq!(counts.get("dropped with 3"), Some(&1));
    assert_eq!(counts.values().sum::<usize>(), 3, "{counts:?}");
}

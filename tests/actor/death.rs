//! Actors that die and are not started again.

use std::error::Error as _;

use parproc::{Error, TaskError};
use parproc_tests::{Meeting, Process as Watch, in_time};

use super::{Counter, CounterHandle, Deed, pid};

/// What ended the actor, as the error of a call that was not run tells.
fn cause(error: &Error) -> &TaskError {
    assert!(error.is_actor_died(), "{error}");
    error.source().unwrap().downcast_ref().unwrap()
}

/// Makes two calls: one that waits and then does the deed, and one behind it.
fn dies(deed: Deed) -> (CounterHandle, Error, Error) {
    let counter = Counter::spawn(0).unwrap();
    let meeting = Meeting::new();
    drop(counter.meets(meeting.name(), 1));
    let guest = meeting.wait();
    let (first, second) = (counter.set_and_do(1, deed), counter.add(1));
    drop(guest);
    let errors = (first.join().unwrap_err(), second.join().unwrap_err());
    (counter, errors.0, errors.1)
}

#[test]
fn a_crash_fails_its_call_and_all_behind_it() {
    in_time(|| {
        let (counter, first, second) = dies(Deed::Abort);
        let crash = first.task().unwrap();
        assert!(crash.is_crash() && crash.signal() == Some(6), "{crash}");
        assert!(
            crash
                .to_string()
                .contains("::set_and_do` in an actor: its worker"),
            "{crash}"
        );
        assert_eq!(cause(&second).signal(), Some(6));
        assert_eq!(cause(&second).pid(), crash.pid());
        let text = second.to_string();
        assert!(
            text.contains("::Counter` died") && text.contains("SIGABRT"),
            "{text}"
        );

        let later = counter.value().join().unwrap_err();
        assert_eq!(cause(&later).signal(), Some(6));
        assert!(!counter.is_alive());
        assert_eq!(parproc::actor::Actor::pid(&counter), None);
        assert!(counter.shutdown().unwrap_err().is_actor_died());
    });
}

#[test]
fn an_exit_is_a_death() {
    in_time(|| {
        let (_, first, second) = dies(Deed::Exit(0));
        assert_eq!(first.task().unwrap().exit_code(), Some(0));
        assert_eq!(cause(&second).exit_code(), Some(0));
    });
}

#[test]
fn a_call_past_its_time_ends_the_actor() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let (first, second) = (counter.in_no_time(Deed::Spin), counter.add(1));
        assert!(first.join().unwrap_err().task().unwrap().is_timeout());
        assert!(cause(&second.join().unwrap_err()).is_timeout());

        let builder = Counter::builder(0).timeout(std::time::Duration::from_millis(50));
        let counter = builder.spawn().unwrap();
        assert_eq!(counter.add(1).join().unwrap(), 1);
        let task = counter.set_and_do(1, Deed::Spin);
        assert!(task.join().unwrap_err().task().unwrap().is_timeout());
    });
}

#[test]
fn a_call_with_too_much_memory_ends_the_actor() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let (first, second) = (counter.in_little_memory(), counter.add(1));
        assert!(first.join().unwrap_err().task().unwrap().is_memory());
        assert!(cause(&second.join().unwrap_err()).is_memory());
    });
}

#[test]
fn an_idle_actor_that_is_killed_fails_the_next_calls() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        assert_eq!(counter.add(1).join().unwrap(), 1);
        let process = Watch::watch(pid(&counter));
        process.kill();
        // The first call may still find it alive, and be the one that it cannot run.
        let error = loop {
            match counter.value().join() {
                Err(error) if error.is_actor_died() => break error,
                Err(error) => assert!(error.task().is_some_and(TaskError::is_crash), "{error}"),
                Ok(value) => assert_eq!(value, 1),
            }
        };
        assert_eq!(cause(&error).signal(), Some(9));
        assert!(!counter.is_alive());
    });
}

#[test]
fn calls_from_many_threads_all_end_when_it_dies() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let threads = [(); 8].map(|()| {
            let counter = counter.clone();
            std::thread::spawn(move || {
                loop {
                    let mut tasks: Vec<_> = (0..20).map(|_| counter.add(1)).collect();
                    let last = tasks.pop().unwrap();
                    drop(tasks);
                    if last.join().is_err() {
                        break;
                    }
                }
            })
        });
        while counter.value().join().unwrap() < 1000 {}
        Watch::watch(pid(&counter)).kill();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

//! Calls of an actor that lives.

use std::error::Error as _;
use std::time::Duration;

use parproc::actor::Actor;
use parproc::{Process, Task, TaskError, as_completed, par_map, parallel, wait_all, wait_any};
use parproc_tests::{LIMIT, Meeting, in_time, pool};

use super::{Counter, CounterHandle, Deed, Librarian, Odd, Shelf, pid};

#[test]
fn calls_change_one_state_in_the_order_in_which_they_are_made() {
    in_time(|| {
        let counter = Counter::spawn(10).unwrap();
        let tasks: Vec<_> = (1..=1000).map(|n| counter.add(n)).collect();
        let mut sum = 10;
        for (n, task) in (1..=1000).zip(tasks) {
            sum += n;
            assert_eq!(task.join().unwrap(), sum);
        }
        assert_eq!(counter.value().join().unwrap(), sum);
    });
}

#[test]
fn an_actor_has_a_process_of_its_own() {
    in_time(|| {
        let (one, other) = (Counter::spawn(1).unwrap(), Counter::spawn(2).unwrap());
        let pids = [&one, &other].map(|counter| counter.pid().join().unwrap());
        assert_eq!(pids, [&one, &other].map(|counter| pid(counter)));
        assert!(pids[0] != pids[1] && !pids.contains(&std::process::id()));
        assert_eq!(one.pid().join().unwrap(), pids[0], "it stays there");
        assert_eq!(other.value().join().unwrap(), 2);
    });
}

#[test]
fn arguments_and_results_are_of_all_kinds() {
    in_time(|| {
        let books = ["a", "b"].map(str::to_owned);
        let shelf: Librarian = Shelf::spawn_open(&books).unwrap();
        assert_eq!(shelf.write("a", [1, 5]).join().unwrap(), Some(0));
        assert_eq!(shelf.write("a", [1, 6]).join().unwrap(), Some(5));
        assert_eq!(shelf.write("c", [1, 5]).join().unwrap(), None);
        assert_eq!(
            shelf.pages("a".to_owned()).join().unwrap(),
            Ok([0, 6, 0, 0])
        );
        assert_eq!(
            shelf.pages("c".to_owned()).join().unwrap(),
            Err("no such book".to_owned())
        );
        assert!(shelf.is_below("/x".as_ref(), &(1, 2)).join().unwrap());
        shelf.nothing().join().unwrap();
        assert_eq!(shelf.len_of(vec![1; 3 << 20]).join().unwrap(), 3 << 20);
        assert_eq!(shelf.bytes(3 << 20).join().unwrap(), vec![7; 3 << 20]);
        assert_eq!(par_map(Shelf::double, [4]).unwrap(), [8]);
    });
}

#[test]
fn handles_are_clones_for_any_thread() {
    fn is_shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>(_: &T) {}
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        is_shared(&counter);
        let threads = [(); 8].map(|()| {
            let counter = counter.clone();
            std::thread::spawn(move || {
                let mut last = 0;
                for _ in 0..200 {
                    let next = counter.add(1).join().unwrap();
                    assert!(next > last, "calls of one handle keep their order");
                    last = next;
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counter.value().join().unwrap(), 1600);
        let text = format!("{counter:?}");
        assert!(
            text.contains("Counter") && text.contains(&pid(&counter).to_string()),
            "{text}"
        );
    });
}

#[test]
fn tasks_of_an_actor_are_tasks() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let task: Task<u64> = counter.add(1);
        assert_eq!(futures_lite::future::block_on(task).unwrap(), 1);
        let all = wait_all((0..10).map(|_| counter.add(1)));
        assert!(all.into_iter().map(Result::unwrap).eq(2..=11));
        let (sender, receiver) = std::sync::mpsc::channel();
        counter
            .add(1)
            .on_done(move |result| sender.send(result).unwrap());
        assert_eq!(receiver.recv().unwrap().unwrap(), 12);

        let other = Counter::spawn(100).unwrap();
        let meeting = Meeting::new();
        let waiting = counter.meets(meeting.name(), 1);
        let guest = meeting.wait();
        let mut tasks = vec![waiting, other.value()];
        assert_eq!(wait_any(&tasks), Some(1));
        assert!(tasks[0].try_join().unwrap().is_none());
        assert!(
            tasks[0]
                .join_timeout(Duration::from_millis(1))
                .unwrap_err()
                .is_timeout()
        );
        drop(guest);
        let mut results: Vec<_> = as_completed(tasks)
            .map(|(_, result)| result.unwrap())
            .collect();
        results.sort_unstable();
        assert_eq!(results, [13, 100]);
    });
}

#[test]
fn a_task_that_is_dropped_is_run() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        for _ in 0..100 {
            drop(counter.add(1));
        }
        assert_eq!(counter.value().join().unwrap(), 100);
    });
}

#[test]
fn a_panic_fails_its_call_and_leaves_the_state_as_it_was_then() {
    in_time(|| {
        let counter = Counter::spawn(1).unwrap();
        let before = pid(&counter);
        let task = counter.set_and_do(5, Deed::Panic);
        let later = counter.value();
        let error = task.join().unwrap_err();
        assert_eq!(
            error.task().and_then(TaskError::panic_message),
            Some("as asked")
        );
        let text = error.to_string();
        assert!(
            text.contains("::set_and_do` in an actor: panicked at"),
            "{text}"
        );
        assert_eq!(later.join().unwrap(), 5);
        assert_eq!(pid(&counter), before);
    });
}

#[test]
fn a_call_that_is_cancelled_before_it_begins_is_not_made() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let meeting = Meeting::new();
        let first = counter.meets(meeting.name(), 1);
        let guest = meeting.wait();
        let (second, third) = (counter.add(10), counter.add(100));
        second.cancel();
        assert!(second.join().unwrap_err().is_cancelled());
        drop(guest);
        assert_eq!((first.join().unwrap(), third.join().unwrap()), (1, 101));
    });
}

#[test]
fn a_call_that_runs_goes_on_when_it_is_cancelled_and_the_actor_lives() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let before = pid(&counter);
        let meeting = Meeting::new();
        let task = counter.meets(meeting.name(), 1);
        let guest = meeting.wait();
        task.cancel();
        assert!(task.join().unwrap_err().is_cancelled());
        drop(guest);
        assert_eq!(counter.value().join().unwrap(), 1);
        assert_eq!(pid(&counter), before);
    });
}

#[test]
fn methods_of_the_type_go_before_those_of_all_handles() {
    in_time(|| {
        let odd = Odd::spawn().unwrap();
        assert_eq!(odd.kill().join().unwrap(), "its own");
        Actor::kill(&odd);
        assert!(odd.kill().join().unwrap_err().is_cancelled());
    });
}

#[test]
fn what_cannot_be_made_is_an_error_of_spawn() {
    in_time(|| {
        let tally = parproc_tests::Tally::new();
        let error = Counter::spawn_try_new(tally.path(), 0).unwrap_err();
        assert!(
            error.is_init() && error.to_string().contains("made 1 times already"),
            "{error}"
        );
        assert_eq!(tally.total(), 1, "it is tried once");

        let error = Counter::spawn_doing(Deed::Panic).unwrap_err();
        assert!(error.is_init(), "{error}");
        let source = error.source().unwrap().downcast_ref::<TaskError>().unwrap();
        assert_eq!(source.panic_message(), Some("as asked"));

        let builder = Counter::builder_doing(Deed::Abort).max_restarts(5);
        let error = builder.spawn().unwrap_err();
        assert!(
            error.is_init() && error.to_string().contains("SIGABRT"),
            "{error}"
        );

        let builder = Counter::builder_doing(Deed::Spin).start_timeout(Duration::from_millis(50));
        let error = builder.spawn().unwrap_err();
        assert!(
            error.is_init() && error.to_string().contains("50ms"),
            "{error}"
        );
    });
}

/// The sum that an actor of the task's own comes to.
#[parallel]
fn with_an_actor(n: u64) -> (u64, u32) {
    let counter = Counter::spawn(n).unwrap();
    drop(counter.add(1));
    (counter.add(1).join().unwrap(), pid(&counter))
}

#[test]
fn tasks_and_processes_can_have_actors() {
    in_time(|| {
        let results = pool(2).map(with_an_actor, 0..10).unwrap();
        assert!(results.iter().map(|(sum, _)| *sum).eq(2..12));
        assert!(results.iter().all(|(_, pid)| *pid != std::process::id()));
        let (sum, _) = Process::spawn(with_an_actor, 5).unwrap().join().unwrap();
        assert_eq!(sum, 7);
    });
}

#[test]
fn its_functions_are_listed_once() {
    let all = parproc::functions().unwrap();
    let named = |end: &str| all.iter().filter(|f| f.name().ends_with(end)).count();
    assert_eq!((named("Counter::add"), named("Counter::new")), (1, 1));
    assert!(all.iter().all(|f| !f.name().contains("Maker")));
}

#[test]
fn a_method_that_waits_does_not_keep_others_from_their_actors() {
    in_time(|| {
        let meeting = Meeting::new();
        let handles: [CounterHandle; 4] = [(); 4].map(|()| Counter::spawn(0).unwrap());
        let tasks = handles
            .each_ref()
            .map(|counter| counter.meets(meeting.name(), 1));
        let guests = tasks.each_ref().map(|_| meeting.wait());
        let mut tasks = tasks;
        assert!(tasks[0].join_timeout(Duration::from_millis(1)).is_err());
        drop(guests);
        for mut task in tasks {
            assert_eq!(task.join_timeout(LIMIT).unwrap(), 1);
        }
    });
}

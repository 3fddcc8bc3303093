//! Many tasks of one function at once: they share calls and chunks, and nothing else.

use std::collections::BTreeMap;
use std::process;
use std::thread;
use std::time::Duration;

use parproc::channel::{Receiver, RecvError, Sender, channel};
use parproc::{Pool, Task, as_completed, parallel, wait_any};
use parproc_tests::{Guest, Meeting, Tally, in_time, inline_pool, meet, note, pool, settled};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Act {
    Return,
    Panic,
    Abort,
    Exit,
    /// Comes to the meeting of this name.
    Meet(String),
    /// The same, and never ends.
    Stay(String),
    /// Sleeps for so many milliseconds.
    Sleep(u64),
}

/// Keeps a worker at the meeting; how long that takes says nothing about other functions.
#[parallel]
fn hold(meeting: String) {
    meet(&meeting, 0);
}

/// Leaves a note of `number`, if there is somewhere to leave it, and does what it is told to.
#[parallel]
fn act(act: Act, number: usize, notes: String) -> usize {
    if !notes.is_empty() {
        note(&notes, number);
    }
    match act {
        Act::Return => {}
        Act::Panic => panic!("number {number}"),
        Act::Abort => process::abort(),
        Act::Exit => process::exit(3),
        Act::Meet(name) => meet(&name, number as u64),
        Act::Sleep(millis) => thread::sleep(Duration::from_millis(millis)),
        Act::Stay(name) => {
            meet(&name, number as u64);
            loop {
                std::hint::spin_loop();
            }
        }
    }
    number
}

/// A pool that knows that the function takes little time, and gives many tasks of it at once.
fn warm(pool: Pool) -> Pool {
    let quick = |_| pool.spawn(act, (Act::Return, 0, String::new()));
    let tasks: Vec<Task<usize>> = (0..200).map(|x| quick(x).unwrap()).collect();
    for task in tasks {
        task.join().unwrap();
    }
    pool
}

/// Tasks that wait since all workers are at the meeting.
fn crowd(
    pool: &Pool,
    meeting: &Meeting,
    notes: &str,
    acts: impl Fn(usize) -> Act,
) -> (Vec<Task<usize>>, Vec<Guest>) {
    let spawn = |act_of, number| pool.spawn(act, (act_of, number, notes.to_owned()));
    let mut guests = Vec::new();
    for _ in 0..pool.workers() {
        drop(pool.spawn(hold, meeting.name().to_owned()).unwrap());
        guests.push(meeting.wait());
    }
    let tasks = (0..500).map(|number| spawn(acts(number), number).unwrap());
    (tasks.collect(), guests)
}

/// Each of the numbers up to 500 that `ran` was noted once, and no other.
fn check(notes: &Tally, ran: impl Fn(&usize) -> bool) {
    let ran = (0..500).filter(ran);
    let expected: BTreeMap<_, _> = ran.map(|number| (number.to_string(), 1)).collect();
    assert_eq!(notes.counts(), expected);
}

#[test]
fn each_task_has_its_own_result() {
    in_time(|| {
        for pool in [pool(2), pool(1), inline_pool()] {
            let notes = Tally::new();
            let spawn = |x| pool.spawn(act, (Act::Return, x, notes.path().to_owned()));
            // More than share a call.
            let tasks: Vec<_> = (0..5_000).map(|x| spawn(x).unwrap()).collect();
            for (x, task) in tasks.into_iter().enumerate().rev() {
                assert_eq!(task.join().unwrap(), x);
            }
            assert!(notes.counts().values().all(|times| *times == 1));
            assert_eq!(notes.total(), 5_000);
        }
    });
}

#[test]
fn a_failure_is_that_of_one_task() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(2));
        let meeting = Meeting::new();
        let acts = |number| match number % 100 {
            17 => Act::Panic,
            40 => Act::Abort,
            41 => Act::Exit,
            _ => Act::Return,
        };
        let (tasks, guests) = crowd(&pool, &meeting, notes.path(), acts);
        drop(guests);
        for (number, task) in tasks.into_iter().enumerate() {
            let result = task.join();
            let failure = result.as_ref().err().map(|error| error.task().unwrap());
            match (acts(number), failure) {
                (Act::Panic, Some(error)) => {
                    assert!(error.is_panic(), "{error}");
                    assert!(error.to_string().contains(&format!("number {number}")));
                }
                (Act::Abort, Some(error)) => assert_eq!(error.signal(), Some(6)),
                (Act::Exit, Some(error)) => assert_eq!(error.exit_code(), Some(3)),
                (_, None) => assert_eq!(result.unwrap(), number),
                (_, Some(error)) => panic!("{number}: {error}"),
            }
        }
        check(&notes, |_| true);
    });
}

#[test]
fn the_item_of_a_failed_task_is_its_first_and_only_one() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(1));
        let acts = |number| match number % 2 {
            0 => Act::Panic,
            _ => Act::Exit,
        };
        let (tasks, guests) = crowd(&pool, &Meeting::new(), notes.path(), acts);
        drop(guests);
        for task in tasks.into_iter().take(10) {
            assert_eq!(task.join().unwrap_err().task().unwrap().index(), 0);
        }
    });
}

#[test]
fn tasks_that_wait_are_cancelled_one_by_one() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(2));
        let (tasks, guests) = crowd(&pool, &Meeting::new(), notes.path(), |_| Act::Return);
        for task in tasks.iter().step_by(3) {
            task.cancel();
            assert!(task.is_finished());
        }
        drop(guests);
        for (number, task) in tasks.into_iter().enumerate() {
            let result = task.join();
            if number % 3 == 0 {
                assert!(result.unwrap_err().is_cancelled());
            } else {
                assert_eq!(result.unwrap(), number);
            }
        }
        check(&notes, |number| number % 3 != 0);
    });
}

#[test]
fn a_task_that_runs_is_cancelled_without_those_around_it() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(1));
        let (meeting, stay) = (Meeting::new(), Meeting::new());
        let acts = |number| match number {
            50 | 51 | 300 => Act::Stay(stay.name().to_owned()),
            _ => Act::Return,
        };
        let (mut tasks, guests) = crowd(&pool, &meeting, notes.path(), acts);
        drop(guests);
        for number in [50, 51, 300] {
            let guest = stay.wait();
            assert_eq!(guest.word, number as u64);
            tasks[number].cancel();
        }
        for (number, task) in tasks.drain(..).enumerate() {
            let result = task.join();
            match acts(number) {
                Act::Stay(_) => assert!(result.unwrap_err().is_cancelled()),
                _ => assert_eq!(result.unwrap(), number),
            }
        }
        check(&notes, |_| true);
    });
}

#[test]
fn a_task_is_not_taken_for_one_that_was_cancelled_before_it() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(1));
        let spawn = |act_of, number| pool.spawn(act, (act_of, number, notes.path().to_owned()));
        for number in (0..100).step_by(2) {
            // It may be done before its worker is killed for it.
            let task = spawn(Act::Return, number).unwrap();
            task.cancel();
            let cancelled = task.join().is_err();
            // Longer than a worker may take to end what was cancelled.
            let millis = if cancelled { 0 } else { 15 };
            assert_eq!(
                spawn(Act::Sleep(millis), number + 1)
                    .unwrap()
                    .join()
                    .unwrap(),
                number + 1
            );
        }
        assert!(notes.counts().values().all(|times| *times == 1));
    });
}

#[test]
fn a_task_waits_for_no_other_while_a_worker_is_free() {
    in_time(|| {
        let mut pool = warm(pool(2));
        for first in [100, 211, 322, 433] {
            let pair = Meeting::new();
            // The first of two does not end before the second has come.
            let acts = |number| match number {
                _ if number == first || number == first + 1 => Act::Meet(pair.name().to_owned()),
                _ => Act::Return,
            };
            let (tasks, guests) = crowd(&pool, &Meeting::new(), "", acts);
            drop(guests);
            let guests = [pair.wait(), pair.wait()];
            assert_ne!(guests[0].word, guests[1].word);
            drop(guests);
            for (number, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().unwrap(), number);
            }
            // How long the two have waited is not what the function takes.
            pool = warm(pool);
        }
    });
}

#[test]
fn who_waits_for_a_task_is_told_of_that_one() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(2));
        let meeting = Meeting::new();
        let (mut tasks, guests) =
            crowd(&pool, &meeting, notes.path(), |number| match number % 10 {
                3 => Act::Abort,
                _ => Act::Return,
            });
        drop(guests);
        // One thread for each of some, callbacks for others, dropped ones, and the rest as they come.
        let (sender, told) = std::sync::mpsc::channel();
        for task in tasks.drain(..100) {
            let sender = sender.clone();
            task.on_done(move |result| sender.send(result.is_ok()).unwrap());
        }
        drop(sender);
        drop(tasks.drain(..100));
        let threads: Vec<_> = tasks
            .drain(..10)
            .zip(200..)
            .map(|(task, number)| std::thread::spawn(move || (number, task.join())))
            .collect();
        let first = wait_any(&tasks).unwrap();
        let number = 210 + first;
        assert_eq!(tasks[first].try_join().is_ok(), number % 10 != 3);
        let mut seen = 0;
        for (place, result) in as_completed(tasks) {
            let number = 210 + place;
            if number == 210 + first {
                // Its result was taken, or its failure.
                assert!(result.is_err());
            } else {
                assert_eq!(result.ok(), (number % 10 != 3).then_some(number));
            }
            seen += 1;
        }
        assert_eq!(seen, 290);
        for thread in threads {
            let (number, result) = thread.join().unwrap();
            assert_eq!(result.ok(), (number % 10 != 3).then_some(number));
        }
        assert_eq!(told.iter().filter(|ok| *ok).count(), 90);
        assert_eq!(
            pool.spawn(act, (Act::Return, 7, notes.path().to_owned()))
                .unwrap()
                .join()
                .unwrap(),
            7
        );
    });
}

/// Remembers the numbers that it was told.
struct Numbers(Vec<usize>);

#[parallel]
impl Numbers {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn hold(&mut self, meeting: String) {
        meet(&meeting, 0);
    }

    /// Stays at the meeting, if there is one.
    fn tell(&mut self, number: usize, meeting: String) {
        if !meeting.is_empty() {
            meet(&meeting, number as u64);
        }
        self.0.push(number);
    }

    fn told(&self) -> Vec<usize> {
        self.0.clone()
    }
}

#[test]
fn calls_of_an_actor_that_are_cancelled_before_they_begin_are_not_made() {
    in_time(|| {
        let (hold, meeting) = (Meeting::new(), Meeting::new());
        let numbers = Numbers::spawn().unwrap();
        // So that it is known to take little time.
        let quick: Vec<_> = (0..300).map(|_| numbers.tell(0, String::new())).collect();
        quick.into_iter().for_each(|call| call.join().unwrap());
        let held = numbers.hold(hold.name().to_owned());
        let guest = hold.wait();
        let meet_at = |number| if number == 10 { meeting.name() } else { "" };
        let calls = (1..=60).map(|number| numbers.tell(number, meet_at(number).to_owned()));
        let calls: Vec<_> = calls.collect();
        drop(guest);
        held.join().unwrap();
        let guest = meeting.wait();
        calls[10..].iter().for_each(Task::cancel);
        drop(guest);
        for (number, call) in (1..).zip(calls) {
            let result = call.join();
            assert_eq!(result.is_err(), number > 10, "{number}");
        }
        let told = numbers.told().join().unwrap();
        assert_eq!(told[300..], (1..=10).collect::<Vec<_>>());
    });
}

/// Both ends of a channel.
#[parallel]
fn connect(_number: u64) -> (Sender<u8>, Receiver<u8>) {
    channel().unwrap()
}

#[test]
fn what_a_result_names_is_not_kept_for_that_of_another_task() {
    in_time(|| {
        let pool = pool(1);
        let connect_all = || {
            let meeting = Meeting::new();
            drop(pool.spawn(hold, meeting.name().to_owned()).unwrap());
            let guest = meeting.wait();
            let spawn = |number| pool.spawn(connect, number).unwrap();
            let tasks: Vec<_> = (0..10).map(spawn).collect();
            drop(guest);
            wait_until_done(&tasks);
            tasks
        };
        // Once to learn that many can go at once.
        drop(connect_all());
        let mut tasks = connect_all().into_iter();
        let (sender, receiver) = tasks.next().unwrap().join().unwrap();
        drop(sender);
        assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
        drop(tasks);
    });
}

fn wait_until_done<R: serde::de::DeserializeOwned + Serialize + 'static>(tasks: &[Task<R>]) {
    assert!(settled(&true, || tasks.iter().all(Task::is_finished)));
}

#[test]
fn a_killed_pool_ends_all_that_wait() {
    in_time(|| {
        let notes = Tally::new();
        let pool = warm(pool(1));
        let stay = Meeting::new();
        let spawn = |act_of, number| pool.spawn(act, (act_of, number, notes.path().to_owned()));
        let running = spawn(Act::Stay(stay.name().to_owned()), 0).unwrap();
        let _guest = stay.wait();
        let tasks: Vec<_> = (1..300)
            .map(|number| spawn(Act::Return, number).unwrap())
            .collect();
        pool.kill();
        assert!(running.join().unwrap_err().is_cancelled());
        for task in tasks {
            assert!(task.join().unwrap_err().is_cancelled());
        }
        assert!(!notes.counts().contains_key("1"));
    });
}

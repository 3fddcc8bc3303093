//! Handles in other processes.

use std::time::Duration;

use parproc::{Process, TaskError, channel, parallel, wait_all};
use parproc_tests::{
    LIMIT, Meeting, Process as Watch, Tally, children, in_time, meet, pool, program, role, settled,
    succeeds,
};
use serde::{Deserialize, Serialize};

use super::{Counter, CounterHandle, Deed, Librarian, OddHandle, Shelf, pid};

#[parallel]
fn adds(counter: &CounterHandle, n: u64) -> u64 {
    counter.add(n).join().unwrap()
}

/// A handle inside of a value.
#[derive(Serialize, Deserialize)]
struct Job {
    counters: Vec<CounterHandle>,
    n: u64,
}

#[parallel]
fn adds_to_all(job: Job) -> Vec<u64> {
    let tasks = job.counters.iter().map(|counter| counter.add(job.n));
    wait_all(tasks).into_iter().map(Result::unwrap).collect()
}

#[parallel]
fn adds_in_order(counter: CounterHandle, count: u64) -> bool {
    let tasks: Vec<_> = (0..count).map(|_| counter.add(1)).collect();
    let results: Vec<_> = tasks.into_iter().map(|task| task.join().unwrap()).collect();
    results.is_sorted()
}

#[parallel]
fn gives_back(counter: CounterHandle) -> (CounterHandle, u64) {
    let value = counter.add(1).join().unwrap();
    (counter, value)
}

#[parallel]
fn makes(start: u64) -> (u32, CounterHandle) {
    let counter = Counter::spawn(start).unwrap();
    (pid(&counter), counter)
}

#[parallel]
fn fails(counter: CounterHandle, deed: Deed) -> (String, String, bool) {
    let (first, second) = (counter.set_and_do(1, deed), counter.value());
    let (first, second) = (first.join().unwrap_err(), second.join());
    let alive = counter.is_alive();
    assert_eq!(alive, second.is_ok());
    let second = second.map_or_else(|error| error.to_string(), |value| value.to_string());
    (first.to_string(), second, alive)
}

#[parallel]
fn asks(counter: CounterHandle) -> (bool, Option<u32>, u64) {
    let actor: &parproc::actor::Actor = &counter;
    (actor.is_alive(), actor.pid(), actor.restarts())
}

#[parallel]
fn ends(counter: CounterHandle, kill: bool) -> String {
    if kill {
        counter.kill();
    } else {
        drop(counter.add(1));
        counter.shutdown().unwrap();
    }
    counter.value().join().unwrap_err().to_string()
}

#[parallel]
fn keeps(counter: CounterHandle, meeting: &str) -> u64 {
    meet(meeting, 0);
    counter.add(1).join().unwrap()
}

#[parallel]
fn leaves_a_call(counter: CounterHandle, meeting: &str) {
    let task = counter.meets(meeting, 1);
    meet(meeting, 7);
    drop(task);
}

#[parallel]
fn shelf(shelf: Librarian) -> (Vec<u8>, usize, Result<[u8; 4], String>) {
    let bytes = shelf.bytes(3 << 20).join().unwrap();
    let len = shelf.len_of(vec![1; 3 << 20]).join().unwrap();
    (bytes, len, shelf.pages("no".to_owned()).join().unwrap())
}

#[parallel]
fn awaits(counter: CounterHandle) -> (u64, u64) {
    let polled = futures_lite::future::block_on(counter.add(1)).unwrap();
    let (sender, results) = std::sync::mpsc::channel();
    counter
        .add(1)
        .on_done(move |result| sender.send(result.unwrap()).unwrap());
    let called = results.recv().unwrap();
    let mut tasks = vec![counter.add(1), counter.add(1)];
    let first = parproc::wait_any(&tasks).unwrap();
    tasks.swap_remove(first).join().unwrap();
    let cancelled = counter.add(0);
    cancelled.cancel();
    // It may have been done already.
    if let Err(error) = cancelled.join() {
        assert!(error.is_cancelled(), "{error}");
    }
    (polled, called)
}

#[test]
fn a_handle_is_an_argument() {
    in_time(|| {
        let counter = Counter::spawn(10).unwrap();
        let pool = pool(2);
        let items: Vec<_> = (0..200).map(|n| (&counter, n)).collect();
        let results = pool.map(adds, items).unwrap();
        assert_eq!(results.len(), 200);
        assert_eq!(counter.value().join().unwrap(), 10 + 199 * 100);
        assert_eq!(
            Process::spawn(adds, (&counter, 1)).unwrap().join().unwrap(),
            19_911
        );
    });
}

#[test]
fn handles_are_parts_of_arguments() {
    in_time(|| {
        let counters: Vec<_> = (0..3).map(|n| Counter::spawn(n).unwrap()).collect();
        let job = Job { counters, n: 10 };
        assert_eq!(
            pool(1).spawn(adds_to_all, job).unwrap().join().unwrap(),
            [10, 11, 12]
        );
    });
}

#[test]
fn calls_of_a_handle_keep_their_order_also_elsewhere() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let pool = pool(2);
        let items: Vec<_> = (0..4).map(|_| (counter.clone(), 2000)).collect();
        assert_eq!(pool.map(adds_in_order, items).unwrap(), [true; 4]);
        assert_eq!(counter.value().join().unwrap(), 8000);
    });
}

#[test]
fn a_handle_that_comes_back_is_one_of_this_process() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let (back, value) = pool(1)
            .spawn(gives_back, counter.clone())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(value, 1);
        // It shows its process without asking anybody.
        assert_eq!(format!("{back:?}"), format!("{counter:?}"));
        drop(counter);
        assert_eq!(back.add(1).join().unwrap(), 2);
    });
}

#[test]
fn handles_are_messages_of_channels() {
    in_time(|| {
        let (sender, receiver) = channel::<CounterHandle>().unwrap();
        sender.send(Counter::spawn(5).unwrap()).unwrap();
        assert_eq!(receiver.recv().unwrap().add(1).join().unwrap(), 6);
    });
}

#[test]
fn values_of_all_sizes_go_to_an_actor_of_another_process() {
    in_time(|| {
        let actor = Shelf::spawn_open(&[]).unwrap();
        let (bytes, len, pages) = pool(1).spawn(shelf, actor).unwrap().join().unwrap();
        assert_eq!((bytes, len), (vec![7; 3 << 20], 3 << 20));
        assert_eq!(pages, Err("no such book".to_owned()));
    });
}

#[test]
fn tasks_of_such_calls_are_tasks() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let (polled, called) = pool(1).spawn(awaits, counter).unwrap().join().unwrap();
        assert_eq!((polled, called), (1, 2));
    });
}

#[test]
fn failures_are_told_to_other_processes() {
    in_time(|| {
        let pool = pool(1);
        let counter = Counter::spawn(0).unwrap();
        let (first, second, alive) = pool
            .spawn(fails, (counter, Deed::Panic))
            .unwrap()
            .join()
            .unwrap();
        assert!(
            first.contains("::set_and_do` in an actor: panicked at"),
            "{first}"
        );
        assert_eq!((second.as_str(), alive), ("1", true));

        let counter = Counter::spawn(0).unwrap();
        let (first, second, alive) = pool
            .spawn(fails, (counter, Deed::Abort))
            .unwrap()
            .join()
            .unwrap();
        assert!(
            first.contains("::set_and_do` in an actor: its worker was ended"),
            "{first}"
        );
        assert!(
            second.contains("::Counter` died") && second.contains("SIGABRT"),
            "{second}"
        );
        assert!(!alive);
    });
}

#[test]
fn a_restart_is_seen_by_other_processes() {
    in_time(|| {
        let pool = pool(1);
        let counter = Counter::builder(7).max_restarts(1).spawn().unwrap();
        assert!(counter.set_and_do(1, Deed::Abort).join().is_err());
        assert_eq!(pool.spawn(adds, (&counter, 1)).unwrap().join().unwrap(), 8);
        let (alive, there, restarts) = pool.spawn(asks, counter.clone()).unwrap().join().unwrap();
        assert_eq!((alive, there, restarts), (true, Some(pid(&counter)), 1));
    });
}

#[test]
fn other_processes_end_an_actor() {
    in_time(|| {
        let pool = pool(1);
        for (kill, word) in [(true, "killed"), (false, "shut down")] {
            let tally = Tally::new();
            let counter = Counter::spawn_noting(tally.path(), 0).unwrap();
            let process = Watch::watch(pid(&counter));
            let said = pool
                .spawn(ends, (counter.clone(), kill))
                .unwrap()
                .join()
                .unwrap();
            assert!(said.contains(word), "{said}");
            assert!(process.has_ended());
            assert!(counter.value().join().unwrap_err().is_closed());
            assert_eq!(tally.counts().get("dropped with 1"), (!kill).then_some(&1));
        }
    });
}

#[test]
fn a_handle_elsewhere_keeps_the_actor() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let counter = Counter::spawn(41).unwrap();
        let process = Watch::watch(pid(&counter));
        let task = pool.spawn(keeps, (counter, meeting.name())).unwrap();
        drop(meeting.wait());
        assert_eq!(task.join().unwrap(), 42);
        assert!(process.ends_within(LIMIT), "and it ends with the last one");
    });
}

#[test]
fn a_handle_on_its_way_keeps_the_actor() {
    in_time(|| {
        let (sender, receiver) = channel::<CounterHandle>().unwrap();
        let counter = Counter::spawn(1).unwrap();
        let process = Watch::watch(pid(&counter));
        sender.send(counter).unwrap();
        let counter = receiver.recv().unwrap();
        assert_eq!(counter.add(1).join().unwrap(), 2);
        sender.send(counter).unwrap();
        assert!(!process.has_ended());
        drop((sender, receiver));
        assert!(process.ends_within(LIMIT));
    });
}

#[test]
fn the_death_of_a_caller_is_nobody_elses() {
    in_time(|| {
        let pool = pool(1);
        let counter = Counter::spawn(0).unwrap();
        let (meeting, other) = (Meeting::new(), Meeting::new());
        for n in 0..5 {
            let task = pool
                .spawn(leaves_a_call, (counter.clone(), meeting.name()))
                .unwrap();
            let guests = [meeting.wait(), meeting.wait()];
            let caller = guests.iter().find(|guest| guest.word == 7).unwrap();
            caller.process.kill();
            assert!(
                task.join()
                    .unwrap_err()
                    .task()
                    .is_some_and(TaskError::is_crash)
            );
            drop(guests);
            assert_eq!(counter.value().join().unwrap(), n + 1);
        }
        drop(other);
    });
}

#[test]
fn calls_fail_when_the_owner_ends() {
    in_time(|| {
        for kill in [false, true] {
            // A process has the actor, and gives us a handle before it ends.
            let process = Process::spawn(makes, 5).unwrap();
            let owner = Watch::watch(process.pid());
            if kill {
                let (sender, receiver) = channel::<CounterHandle>().unwrap();
                let meeting = Meeting::new();
                let holder = Process::spawn(holds, (sender, meeting.name())).unwrap();
                let counter = receiver.recv().unwrap();
                let guest = meeting.wait();
                let task = counter.meets(meeting.name(), 1);
                let actor = meeting.wait();
                assert_eq!(actor.word, 5);
                guest.process.kill();
                let error = task.join().unwrap_err();
                assert!(error.is_actor_died(), "{error}");
                assert!(
                    error.to_string().contains("that it belongs to has ended"),
                    "{error}"
                );
                assert!(!counter.is_alive());
                assert!(counter.value().join().unwrap_err().is_actor_died());
                assert!(actor.process.ends_within(LIMIT));
                drop(holder.join());
            }
            let (there, counter) = process.join().unwrap();
            assert!(owner.has_ended());
            let error = counter.value().join().unwrap_err();
            assert!(error.is_actor_died(), "{error}");
            assert!(counter.shutdown().unwrap_err().is_actor_died());
            assert!(Watch::child(there).is_none());
        }
    });
}

/// Has an actor until it is let go.
#[parallel]
fn holds(handles: channel::Sender<CounterHandle>, meeting: &str) {
    let counter = Counter::spawn(5).unwrap();
    handles.send(counter.clone()).unwrap();
    meet(meeting, 0);
    drop(counter);
}

#[test]
fn an_actor_takes_a_handle_of_another() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let relay = Relay::spawn(counter.clone()).unwrap();
        let tasks: Vec<_> = (1..=100).map(|n| relay.pass(n)).collect();
        let last = tasks.into_iter().map(|task| task.join().unwrap()).last();
        assert_eq!(last, Some(5050));
        let other = Counter::spawn(7).unwrap();
        let before = relay.change(other).join().unwrap();
        assert_eq!(before.value().join().unwrap(), 5050);
        assert_eq!(relay.pass(1).join().unwrap(), 8);
    });
}

/// Passes calls on.
struct Relay(CounterHandle);

#[parallel]
impl Relay {
    fn new(counter: CounterHandle) -> Self {
        Self(counter)
    }

    fn pass(&self, n: u64) -> u64 {
        self.0.add(n).join().unwrap()
    }

    fn change(&mut self, counter: CounterHandle) -> CounterHandle {
        std::mem::replace(&mut self.0, counter)
    }
}

#[test]
fn a_handle_of_another_type_is_none() {
    in_time(|| {
        let pool = pool(1);
        let (sender, receiver) = channel::<CounterHandle>().unwrap();
        sender.send(Counter::spawn(0).unwrap()).unwrap();
        let counter = receiver.recv().unwrap();
        let bytes = Wrong(counter);
        let error = pool.spawn(takes_wrong, bytes).unwrap().join().unwrap_err();
        assert!(error.to_string().contains("and not"), "{error}");
    });
}

/// Written as a handle of one type, and read as one of another.
struct Wrong(CounterHandle);

impl Serialize for Wrong {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Wrong {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OddHandle::deserialize(deserializer).map(|_| unreachable!())
    }
}

#[parallel]
fn takes_wrong(_wrong: Wrong) {}

#[test]
fn many_callers_in_many_processes_lose_nothing() {
    in_time(|| {
        let counter = Counter::spawn(0).unwrap();
        let pool = pool(3);
        let tasks: Vec<_> = (0..12)
            .map(|_| pool.spawn(adds_in_order, (counter.clone(), 500)).unwrap())
            .collect();
        for mut task in tasks {
            assert!(task.join_timeout(Duration::from_secs(20)).unwrap());
        }
        assert_eq!(counter.value().join().unwrap(), 6000);
    });
}

/// Has the only sender.
struct Source(Option<channel::Sender<u64>>);

#[parallel]
impl Source {
    fn new(sender: channel::Sender<u64>) -> Self {
        Self(Some(sender))
    }

    fn send(&mut self, n: u64) {
        self.0.as_ref().unwrap().send(n).unwrap();
    }

    fn replace(&mut self, sender: channel::Sender<u64>) {
        self.0 = Some(sender);
    }

    fn close(&mut self) {
        self.0 = None;
    }
}

#[test]
fn what_a_state_drops_is_gone() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let source = Source::spawn(sender).unwrap();
        drop(source.send(1));
        drop(source.close());
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1]);
        let (sender, receiver) = channel::<u64>().unwrap();
        drop(source.replace(sender));
        drop(source.send(2));
        drop(source.close());
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [2]);
        let (sender, receiver) = channel::<u64>().unwrap();
        drop((source.replace(sender), source));
        assert_eq!(receiver.iter().count(), 0);
    });
}

#[test]
fn handles_elsewhere_leave_nothing_behind() {
    const TEST: &str = "handles::handles_elsewhere_leave_nothing_behind";
    const ROUNDS: usize = 24;
    if role().is_none() {
        succeeds(&mut program(TEST, "program"));
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
    let pool = pool(1);
    let all = || {
        let counter = Counter::spawn(0).unwrap();
        pool.map(adds, [(&counter, 1); 3]).unwrap();
        let (back, _) = pool.spawn(gives_back, counter).unwrap().join().unwrap();
        let there = pool.spawn(descriptors, back).unwrap().join().unwrap();
        let (_, dead) = Process::spawn(makes, 1).unwrap().join().unwrap();
        assert!(dead.value().join().is_err());
        there
    };
    // The hidden pools of processes and of such tasks stay.
    let there = all();
    let alone = || (count().2 == 1).then(count);
    let before = loop {
        if let Some(before) = alone().filter(|_| alone() == alone()) {
            break before;
        }
        std::thread::yield_now();
    };
    let mut last = 0;
    for _ in 0..ROUNDS {
        last = all();
    }
    // Lines of the worker may be on their way out.
    assert!(
        last <= there + ROUNDS / 3,
        "{there} descriptors became {last}"
    );
    let grown = |before: &(usize, usize, usize)| {
        let now = count();
        // Guardians come and go; a leak would be there as many times as there are rounds.
        now.0 > before.0 + ROUNDS / 3 || now.1 > before.1 + ROUNDS / 3 || now.2 > before.2
    };
    assert!(
        !settled(&false, || grown(&before)),
        "{before:?} became {:?}",
        count()
    );
}

#[parallel]
fn descriptors(counter: CounterHandle) -> usize {
    counter.add(1).join().unwrap();
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

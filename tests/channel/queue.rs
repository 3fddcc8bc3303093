//! Queues of work, and waiting until it is done.

use std::thread;
use std::time::Duration;

use parproc::channel::{Queue, Receiver, Sender, channel};
use parproc::{Process, parallel};
use parproc_tests::{in_time, pool, within};

use super::{LONG, LONGER, rounds};

/// Does what it receives, until it receives nothing.
#[parallel]
fn works(queue: Queue<Option<u64>>, done: Sender<u64>) {
    while let Ok(Some(number)) = queue.recv() {
        done.send(number).unwrap();
        queue.task_done().unwrap();
    }
}

/// Receives, says so, and waits to be let go.
#[parallel]
fn keeps(queue: Queue<u64>, told: Sender<u64>, until: Receiver<()>) {
    told.send(queue.recv().unwrap()).unwrap();
    let _ = until.recv();
}

/// Receives and does, until it is killed.
#[parallel]
fn toils(queue: Queue<u64>) {
    while queue.recv().is_ok() {
        queue.task_done().unwrap();
    }
}

/// Receives and does nothing.
#[parallel]
fn forgets(queue: Queue<u64>, panics: bool) {
    queue.recv().unwrap();
    assert!(!panics, "in the middle of the work");
}

#[test]
fn what_a_task_had_that_is_over_counts_as_done() {
    in_time(|| {
        let pool = pool(1);
        let queue = Queue::new().unwrap();
        for panics in [false, true] {
            queue.send(1).unwrap();
            let joining = thread::spawn({
                let queue = queue.clone();
                move || queue.join_timeout(LONG)
            });
            let task = pool.spawn(forgets, (queue.clone(), panics)).unwrap();
            assert_eq!(task.join().is_err(), panics);
            assert!(joining.join().unwrap());
        }
    });
}

#[test]
fn join_waits_for_every_task_done() {
    in_time(|| {
        let queue = Queue::bounded(10).unwrap();
        let (done, results) = channel().unwrap();
        let start = |_| Process::spawn(works, (queue.clone(), done.clone())).unwrap();
        let workers: Vec<_> = (0..2).map(start).collect();
        for round in 1..=20 {
            queue.send_many((0..50).map(Some)).unwrap();
            queue.join();
            assert_eq!(results.len(), 50, "in round {round}");
            assert_eq!(results.try_iter().sum::<u64>(), 1225);
        }
        queue.send_many([None, None]).unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
        // The two that mean the end were not done, but those who had them are gone.
        queue.join();
    });
}

#[test]
fn join_waits_while_something_is_not_done() {
    in_time(|| {
        let queue = Queue::new().unwrap();
        queue.join();
        queue.send(1).unwrap();
        let short = Duration::from_millis(20);
        assert!(!queue.join_timeout(short));
        assert_eq!(queue.recv().unwrap(), 1);
        assert!(!queue.join_timeout(short));
        let joining = thread::spawn({
            let queue = queue.clone();
            move || queue.join_timeout(LONG)
        });
        queue.task_done().unwrap();
        assert!(joining.join().unwrap());
    });
}

#[test]
fn task_done_too_often_is_an_error() {
    in_time(|| {
        let queue = Queue::new().unwrap();
        queue.task_done().unwrap_err();
        queue.send_many([1, 2]).unwrap();
        queue.task_done().unwrap_err();
        queue.recv().unwrap();
        queue.recv_timeout(LONG).unwrap();
        queue.try_recv().unwrap_err();
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        assert!(
            queue
                .task_done()
                .unwrap_err()
                .to_string()
                .contains("task_done")
        );
    });
}

#[test]
fn join_does_not_wait_for_what_a_dead_process_had() {
    in_time(|| {
        let queue = Queue::new().unwrap();
        let (told, received) = channel().unwrap();
        let (_stay, until) = channel().unwrap();
        let process = Process::spawn(keeps, (queue.clone(), told, until)).unwrap();
        queue.send(7).unwrap();
        assert_eq!(received.recv().unwrap(), 7);
        assert!(!queue.join_timeout(Duration::from_millis(20)));
        let joining = thread::spawn({
            let queue = queue.clone();
            move || queue.join_timeout(LONG)
        });
        process.kill();
        assert!(joining.join().unwrap());
    });
}

#[test]
fn workers_of_a_queue_that_are_killed_anywhere_do_not_keep_join_waiting() {
    within(LONGER, || {
        let seed = fastrand::u64(..);
        eprintln!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let queue = Queue::new().unwrap();
        let start = || Process::spawn(toils, queue.clone()).unwrap();
        let mut processes = vec![start(), start()];
        for _ in 0..rounds(100) {
            queue.send_many(0..2000).unwrap();
            thread::sleep(Duration::from_micros(random.u64(0..500)));
            let process = processes.swap_remove(random.usize(0..2));
            process.kill();
            processes.push(start());
            assert!(queue.join_timeout(LONG));
            assert!(queue.is_empty());
        }
    });
}

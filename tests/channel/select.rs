//! Waiting for several things at once.

use std::thread;
use std::time::{Duration, Instant};

use parproc::channel::{Receiver, Select, Sender, bounded, channel};
use parproc::{Process, parallel};
use parproc_tests::{in_time, pool};

use super::{LONG, counts};

/// Waits for a word, and gives it.
#[parallel]
fn waits(word: Receiver<u64>) -> u64 {
    word.recv().unwrap()
}

/// Gives the numbers of two channels, as they come.
#[parallel]
fn gathers(first: Receiver<u64>, second: Receiver<u64>, to: Sender<u64>) -> u64 {
    let mut open = [true, true];
    let mut sum = 0;
    while open != [false, false] {
        let mut select = Select::new();
        let receivers = [&first, &second];
        let indices: Vec<_> = receivers.iter().map(|one| select.recv(one)).collect();
        (0..2)
            .filter(|i| !open[*i])
            .for_each(|i| select.remove(indices[i]));
        let ready = select.ready().unwrap();
        match receivers[ready].try_recv() {
            Ok(number) => {
                sum += number;
                to.send(number).unwrap();
            }
            Err(error) => open[ready] = !error.is_disconnected(),
        }
    }
    sum
}

#[test]
fn several_channels_are_waited_for_at_once() {
    in_time(|| {
        let (one, first) = bounded(3).unwrap();
        let (two, second) = bounded(3).unwrap();
        let (to, gathered) = channel().unwrap();
        let process = Process::spawn(gathers, (first, second, to)).unwrap();
        let senders = [one, two].map(|sender| Process::spawn(counts, (sender, 10_000)).unwrap());
        assert_eq!(gathered.iter().count(), 20_000);
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(process.join().unwrap(), 2 * 49_995_000);
    });
}

#[test]
fn a_message_a_task_and_a_process_are_waited_for_at_once() {
    in_time(|| {
        let pool = pool(1);
        let words = [(); 3].map(|()| channel::<u64>().unwrap());
        let [
            (to_task, at_task),
            (to_process, at_process),
            (to_here, here),
        ] = words;
        let task = pool.spawn(waits, at_task).unwrap();
        let process = Process::spawn(waits, at_process).unwrap();
        let mut select = Select::new();
        let indices = [
            select.task(&task),
            select.process(&process),
            select.recv(&here),
        ];
        assert_eq!(select.try_ready(), None);
        for (sender, index) in [to_task, to_process, to_here].iter().zip(indices) {
            let sender = sender.clone();
            let sending = thread::spawn(move || sender.send(7));
            assert_eq!(select.ready_timeout(LONG), Some(index));
            sending.join().unwrap().unwrap();
            select.remove(index);
        }
        assert_eq!(select.ready(), None);
        drop(select);
        assert_eq!(here.try_recv().unwrap(), 7);
        assert_eq!(task.join().unwrap(), 7);
        assert_eq!(process.join().unwrap(), 7);
    });
}

#[test]
fn a_selection_of_nothing_that_comes_ends_in_time() {
    in_time(|| {
        let (_sender, receiver) = channel::<u64>().unwrap();
        let mut select = Select::new();
        select.recv(&receiver);
        let (start, limit) = (Instant::now(), Duration::from_millis(30));
        assert_eq!(select.ready_timeout(limit), None);
        assert!(start.elapsed() >= limit);
    });
}

#[test]
fn room_is_waited_for_and_the_end_of_the_other_side() {
    in_time(|| {
        let (sender, receiver) = bounded(1).unwrap();
        let mut select = Select::new();
        let room = select.send(&sender);
        assert_eq!(select.ready(), Some(room));
        sender.send(1_u64).unwrap();
        assert_eq!(select.try_ready(), None);
        let process = Process::spawn(waits, receiver.clone()).unwrap();
        assert_eq!(select.ready_timeout(LONG), Some(room));
        assert_eq!(process.join().unwrap(), 1);
        sender.send(2).unwrap();
        let dropping = thread::spawn(move || drop(receiver));
        assert_eq!(select.ready_timeout(LONG), Some(room));
        dropping.join().unwrap();
        assert!(sender.send(3).unwrap_err().is_disconnected());
    });
}

#[test]
fn who_selects_and_who_receives_wait_beside_each_other() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let threads: Vec<_> = (0..4)
            .map(|i| {
                let receiver = receiver.clone();
                thread::spawn(move || {
                    let mut count = 0;
                    loop {
                        if i % 2 == 0 {
                            let mut select = Select::new();
                            select.recv(&receiver);
                            select.ready().unwrap();
                            match receiver.try_recv() {
                                Ok(_) => count += 1,
                                Err(error) if error.is_disconnected() => return count,
                                Err(_) => {}
                            }
                        } else if receiver.recv().is_ok() {
                            count += 1;
                        } else {
                            return count;
                        }
                    }
                })
            })
            .collect();
        drop(receiver);
        for i in 0..2000 {
            sender.send(i).unwrap();
            if i % 16 == 0 {
                thread::sleep(Duration::from_micros(i % 300));
            }
        }
        drop(sender);
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(counts.sum::<u64>(), 2000);
    });
}

//! Sending and receiving between processes, and the end of one side.

use std::thread;

use parproc::channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, channel,
};
use parproc::{Process, parallel};
use parproc_tests::{in_time, pool};
use std::time::{Duration, Instant};

use super::{LONG, counts, forwards};

/// Holds what it gets until it is told to go.
#[parallel]
fn holds(_sender: Option<Sender<u64>>, _receiver: Option<Receiver<u64>>, until: Receiver<()>) {
    let _ = until.recv();
}

#[test]
fn messages_of_one_process_arrive_in_order_in_another() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let process = Process::spawn(counts, (sender, 100_000)).unwrap();
        assert!(receiver.iter().eq(0..100_000));
        process.join().unwrap();
    });
}

#[test]
fn many_senders_and_many_receivers_pass_each_message_once() {
    in_time(|| {
        let (sender, numbers) = bounded(13).unwrap();
        let (results, receiver) = channel().unwrap();
        let start = |_| Process::spawn(forwards, (numbers.clone(), results.clone())).unwrap();
        let receivers: Vec<_> = (0..3).map(start).collect();
        drop((numbers, results));
        let senders: Vec<_> = (0..3)
            .map(|_| Process::spawn(counts, (sender.clone(), 5000)).unwrap())
            .collect();
        drop(sender);
        let mut all: Vec<_> = receiver.iter().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..15_000).map(|i| i / 3)));
        for process in senders.into_iter().chain(receivers) {
            process.join().unwrap();
        }
    });
}

#[test]
fn tasks_of_a_pool_pass_messages_to_one_another() {
    in_time(|| {
        let pool = pool(3);
        let (sender, first) = bounded(4).unwrap();
        let (second, last) = bounded(4).unwrap();
        let tasks = [
            pool.spawn(counts, (sender, 1000)).unwrap(),
            pool.spawn(forwards, (first, second)).unwrap(),
        ];
        assert!(last.iter().eq(0..1000));
        for task in tasks {
            task.join().unwrap();
        }
    });
}

#[test]
fn a_put_on_a_full_queue_fails_at_once_or_after_its_timeout() {
    in_time(|| {
        let (sender, receiver) = bounded::<u64>(2).unwrap();
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert!(sender.is_full());
        assert!(matches!(sender.try_send(3), Err(TrySendError::Full(3))));
        let (start, limit) = (Instant::now(), Duration::from_millis(50));
        assert!(matches!(
            sender.send_timeout(3, limit),
            Err(SendTimeoutError::Timeout(3))
        ));
        assert!(start.elapsed() >= limit);
        assert_eq!(receiver.len(), 2);
        assert_eq!(receiver.recv().unwrap(), 1);
        sender.try_send(3).unwrap();
    });
}

#[test]
fn a_get_from_an_empty_queue_fails_at_once_or_after_its_timeout() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
        let (start, limit) = (Instant::now(), Duration::from_millis(50));
        assert!(matches!(
            receiver.recv_timeout(limit),
            Err(RecvTimeoutError::Timeout)
        ));
        assert!(start.elapsed() >= limit);
        sender.send(1).unwrap();
        assert_eq!(receiver.recv_timeout(limit).unwrap(), 1);
    });
}

#[test]
fn a_receiver_is_told_when_the_last_sender_is_dropped() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let (stay, until) = channel().unwrap();
        let holder = Process::spawn(holds, (Some(sender), None, until)).unwrap();
        assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
        let waiting = thread::spawn(move || receiver.recv());
        drop(stay);
        assert!(matches!(
            waiting.join().unwrap(),
            Err(RecvError::Disconnected)
        ));
        holder.join().unwrap();
    });
}

#[test]
fn a_receiver_is_told_when_the_last_sender_is_killed() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let (_stay, until) = channel().unwrap();
        let holder = Process::spawn(holds, (Some(sender), None, until)).unwrap();
        let waiting = thread::spawn(move || receiver.recv_timeout(LONG));
        holder.kill();
        assert!(matches!(
            waiting.join().unwrap(),
            Err(RecvTimeoutError::Disconnected)
        ));
    });
}

#[test]
fn a_sender_that_waits_for_room_is_told_when_the_last_receiver_is_killed() {
    in_time(|| {
        let (sender, receiver) = bounded::<u64>(1).unwrap();
        let (_stay, until) = channel().unwrap();
        let holder = Process::spawn(holds, (None, Some(receiver), until)).unwrap();
        sender.send(1).unwrap();
        let waiting = thread::spawn(move || sender.send(2));
        holder.kill();
        match waiting.join().unwrap() {
            Err(SendError::Disconnected(message)) => assert_eq!(message, 2),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn sending_fails_when_the_last_receiver_was_dropped_in_another_process() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let (stay, until) = channel().unwrap();
        let holder = Process::spawn(holds, (None, Some(receiver), until)).unwrap();
        sender.send(1).unwrap();
        drop(stay);
        holder.join().unwrap();
        assert!(sender.send(2).unwrap_err().is_disconnected());
    });
}

#[test]
fn sending_fails_soon_when_the_last_receiver_was_killed() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let (_stay, until) = channel().unwrap();
        let mut holder = Process::spawn(holds, (None, Some(receiver), until)).unwrap();
        sender.send(1).unwrap();
        holder.kill();
        holder.join_timeout(LONG).unwrap_err();
        let sent = (0..1000).take_while(|i| sender.send(*i).is_ok()).count();
        assert!(sent < 100, "{sent} messages were sent to nobody");
    });
}

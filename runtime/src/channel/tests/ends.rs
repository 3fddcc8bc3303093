//! Sending and receiving by threads.

use std::thread;
use std::time::Duration;

use crate::channel::{
    Pipe, Queue, Receiver, RecvTimeoutError, SendError, Sender, TryRecvError, TrySendError,
    bounded, channel,
};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn messages_arrive_in_order() {
    let (sender, receiver) = channel::<(u32, String)>().unwrap();
    for i in 0..1000 {
        sender.send((i, i.to_string())).unwrap();
    }
    assert_eq!(receiver.len(), 1000);
    for i in 0..1000 {
        assert_eq!(receiver.recv().unwrap(), (i, i.to_string()));
    }
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    drop(sender);
    assert!(matches!(
        receiver.try_recv(),
        Err(TryRecvError::Disconnected)
    ));
}

#[test]
fn a_send_without_receivers_gives_the_message_back() {
    let (sender, receiver) = channel::<String>().unwrap();
    sender.send("lost".into()).unwrap();
    let other = receiver.clone();
    drop(receiver);
    sender.send("lost, too".into()).unwrap();
    drop(other);
    match sender.send("back".into()) {
        Err(SendError::Disconnected(message)) => assert_eq!(message, "back"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        sender.try_send("again".into()),
        Err(TrySendError::Disconnected(_))
    ));
}

#[test]
fn a_receiver_that_sleeps_is_woken_by_a_message_and_by_the_end() {
    let (sender, receiver) = channel::<u64>().unwrap();
    let thread = thread::spawn(move || receiver.iter().sum::<u64>());
    for i in 0..100 {
        sender.send(i).unwrap();
        thread::yield_now();
    }
    drop(sender);
    assert_eq!(thread.join().unwrap(), 4950);
}

#[test]
fn a_sender_waits_for_room() {
    let (sender, receiver) = bounded::<u64>(2).unwrap();
    let thread = thread::spawn(move || {
        for i in 0..10_000 {
            sender.send(i).unwrap();
        }
    });
    assert!(receiver.iter().eq(0..10_000));
    thread.join().unwrap();
}

#[test]
fn many_senders_and_receivers_pass_each_message_once() {
    let (sender, receiver) = bounded::<u64>(7).unwrap();
    let senders: Vec<_> = (0..3)
        .map(|part| {
            let sender = sender.clone();
            thread::spawn(move || {
                for i in 0..3000 {
                    sender.send(part * 3000 + i).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.into_iter().collect::<Vec<_>>())
        })
        .collect();
    drop(receiver);
    for thread in senders {
        thread.join().unwrap();
    }
    let mut all: Vec<_> = receivers
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..9000));
}

#[test]
fn a_large_message_makes_the_ring_grow() {
    let (sender, receiver) = channel::<Vec<u64>>().unwrap();
    for len in [0, 1, 1000, 100_000, 8 << 20, 3, 1 << 20] {
        sender.send(vec![len as u64; len]).unwrap();
    }
    for len in [0, 1, 1000, 100_000, 8 << 20, 3, 1 << 20] {
        assert!(receiver.recv().unwrap() == vec![len as u64; len], "{len}");
    }
}

#[test]
fn waiting_ends_in_time() {
    let (sender, receiver) = bounded::<u8>(1).unwrap();
    let short = Duration::from_millis(20);
    assert!(matches!(
        receiver.recv_timeout(short),
        Err(RecvTimeoutError::Timeout)
    ));
    sender.send_timeout(1, LONG).unwrap();
    sender.send_timeout(2, short).unwrap_err();
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), 1);
}

#[test]
fn a_channel_travels_in_a_channel() {
    let (outer, arrivals) = channel().unwrap();
    let (sender, receiver) = channel::<u32>().unwrap();
    outer.send((sender, vec![7_u8])).unwrap();
    let (sender, seven) = arrivals.recv().unwrap();
    sender.send(u32::from(seven[0])).unwrap();
    assert_eq!(receiver.recv().unwrap(), 7);
    outer.send((sender, vec![])).unwrap();
    drop(arrivals);
    receiver.recv().unwrap_err();
}

#[test]
fn ends_go_to_other_threads_whatever_they_send() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Sender<*const u8>>();
    check::<Receiver<*const u8>>();
    check::<Pipe<*const u8, std::rc::Rc<u8>>>();
    check::<Queue<*const u8>>();
}

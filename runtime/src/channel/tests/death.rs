//! What the others find when somebody was killed between two steps: the steps are taken here one by one.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::load::OBJECTS;
use crate::channel::outgoing::encode;
use crate::channel::region::{LEAST, start};
use crate::channel::{Receiver, Sender, channel};
use crate::object;

/// A message, which may name a channel.
type Item = (u32, Option<Sender<u64>>);

const LONG: Duration = Duration::from_secs(60);

fn new() -> (Sender<Item>, Receiver<Item>) {
    channel().unwrap()
}

/// Sends and receives some messages of both kinds.
fn works(sender: &Sender<Item>, receiver: &Receiver<Item>) {
    for number in 0..10 {
        let (handle, replies) = channel().unwrap();
        let handle = (number % 2 == 0).then_some(handle);
        sender.send((number, handle)).unwrap();
        let (received, handle) = receiver.recv_timeout(LONG).unwrap();
        assert_eq!((received, handle.is_some()), (number, number % 2 == 0));
        if let Some(handle) = handle {
            handle.send(7).unwrap();
            assert_eq!(replies.recv().unwrap(), 7);
        }
    }
}

/// Writes a message, with its objects if `objects`, and does not publish it. Gives the other end of the
/// channel that it names.
fn begin_to_send(sender: &Sender<Item>, objects: bool) -> Receiver<u64> {
    let (handle, replies) = channel().unwrap();
    let mut bytes = Vec::new();
    let named = encode(&(99_u32, Some(handle)), &mut bytes).unwrap();
    let port = sender.port();
    let mut putter = port.putter();
    let _send = port.core.send.lock().unwrap();
    let (words, segment) = (port.words(), port.segment());
    assert_eq!(putter.room(words, 10, 1), 1);
    let units = bytes.len() as u64 / 8;
    putter.write(words, segment, [&bytes, &[]], units).unwrap();
    if objects {
        let attempts = &words.sent.0.attempts;
        let number = attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        object::send(port.end.fd(), OBJECTS, number, &named, false).unwrap();
    }
    replies
}

#[test]
fn a_message_that_was_not_published_is_not_there() {
    let (sender, receiver) = new();
    for objects in [false, true] {
        begin_to_send(&sender, objects);
        assert!(receiver.try_recv().is_err());
        works(&sender, &receiver);
    }
}

#[test]
fn objects_of_senders_that_died_are_dropped() {
    let (sender, receiver) = new();
    let before = Arc::strong_count(&sender.port().memory);
    for _ in 0..20 {
        begin_to_send(&sender, true);
    }
    works(&sender, &receiver);
    assert_eq!(Arc::strong_count(&sender.port().memory), before);
}

#[test]
fn a_channel_that_was_on_its_way_is_disconnected_as_soon_as_somebody_receives() {
    let (sender, receiver) = new();
    works(&sender, &receiver);
    let replies = begin_to_send(&sender, true);
    assert!(!replies.try_recv().unwrap_err().is_disconnected());
    receiver.recv_timeout(Duration::from_millis(1)).unwrap_err();
    assert!(replies.try_recv().unwrap_err().is_disconnected());
    works(&sender, &receiver);
}

#[test]
fn a_message_that_was_read_and_not_taken_is_still_there() {
    let (sender, receiver) = new();
    let (handle, replies) = channel().unwrap();
    sender.send((1, Some(handle))).unwrap();
    let port = receiver.port();
    for _ in 0..3 {
        let mut taker = port.taker();
        let _receive = port.core.receive.lock().unwrap();
        let first = taker.first(port.words(), port.segment()).unwrap();
        assert!(first.unwrap().has_objects);
        assert!(object::receive(port.end.fd(), true).unwrap().is_some());
    }
    let (number, handle) = receiver.recv().unwrap();
    handle.unwrap().send(5).unwrap();
    assert_eq!((number, replies.recv().unwrap()), (1, 5));
    works(&sender, &receiver);
}

#[test]
fn the_objects_of_a_message_that_a_dead_process_took_are_dropped() {
    let (sender, receiver) = new();
    let (handle, replies) = channel().unwrap();
    sender.send((1, Some(handle))).unwrap();
    let port = receiver.port();
    {
        let mut taker = port.taker();
        let _receive = port.core.receive.lock().unwrap();
        let first = taker.first(port.words(), port.segment()).unwrap();
        taker.advance(port.words(), &first.unwrap());
    }
    works(&sender, &receiver);
    assert!(replies.try_recv().unwrap_err().is_disconnected());
}

#[test]
fn a_region_that_was_started_and_not_used_is_gone_through() {
    let (sender, receiver) = new();
    sender.send((1, None)).unwrap();
    for factor in [2, 1, 8] {
        let port = sender.port();
        let _send = port.core.send.lock().unwrap();
        let unit = port.tail().unit;
        start(port.words(), port.segment(), factor * LEAST, unit).unwrap();
    }
    sender.send((2, None)).unwrap();
    assert_eq!(receiver.recv().unwrap().0, 1);
    assert_eq!(receiver.recv().unwrap().0, 2);
    works(&sender, &receiver);
}

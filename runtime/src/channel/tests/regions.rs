//! The memory of a channel: it grows with what waits, and is given back.

use std::sync::atomic::Ordering;

use crate::channel::region::LEAST;
use crate::channel::{Receiver, Sender, channel};

/// Bytes of memory that the channel takes.
fn memory<T>(sender: &Sender<T>) -> u64 {
    let file = sender.port().memory.fd();
    rustix::fs::fstat(file).unwrap().st_blocks as u64 * 512
}

/// Bytes of the region that is written to.
fn region<T>(sender: &Sender<T>) -> u64 {
    let words = sender.port().words();
    let last = words.sent.0.regions.load(Ordering::Relaxed) - 1;
    crate::channel::region::entry(words, last)
        .size
        .load(Ordering::Relaxed)
}

fn pass<T>(sender: &Sender<T>, receiver: &Receiver<T>, message: T)
where
    T: serde::Serialize
        + serde::de::DeserializeOwned
        + Clone
        + PartialEq
        + std::fmt::Debug
        + 'static,
{
    sender.send(message.clone()).unwrap();
    assert_eq!(receiver.recv().unwrap(), message);
}

#[test]
fn a_new_channel_takes_little_memory() {
    let (sender, receiver) = channel::<u64>().unwrap();
    assert!(memory(&sender) <= 8 << 10);
    for i in 0..100_000 {
        pass(&sender, &receiver, i);
    }
    assert_eq!(region(&sender), LEAST);
    assert!(memory(&sender) <= LEAST + (8 << 10));
}

#[test]
fn what_waits_is_all_that_memory_is_taken_for() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    for _ in 0..64 {
        sender.send(vec![1; 1 << 20]).unwrap();
    }
    let full = memory(&sender);
    assert!((64 << 20..192 << 20).contains(&full), "{full}");
    assert_eq!(receiver.try_iter().count(), 64);
    // The regions before the last one are given back.
    let empty = memory(&sender);
    assert!(empty < full, "{empty} of {full}");
}

#[test]
fn a_channel_that_was_full_once_becomes_small_again() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    pass(&sender, &receiver, vec![1; 20 << 20]);
    assert!(region(&sender) >= 20 << 20);
    for i in 0..10_000_u32 {
        pass(&sender, &receiver, i.to_le_bytes().to_vec());
    }
    assert_eq!(region(&sender), LEAST);
    let small = memory(&sender);
    assert!(small <= LEAST + (8 << 10), "{small}");
}

#[test]
fn marks_wrap_without_anybody_noticing() {
    let (sender, receiver) = channel::<(u64, String)>().unwrap();
    let words = sender.port().words();
    // As if nearly a billion messages, and nearly 128 GiB, had been passed.
    let late = u64::MAX - 20;
    words.sent.0.tail.store(late, Ordering::Relaxed);
    words.taken.0.head.store(late, Ordering::Relaxed);
    words.table[0]
        .base
        .store(late & ((1 << 34) - 1), Ordering::Relaxed);
    for i in 0..10_000 {
        sender.send((i, i.to_string())).unwrap();
        if i % 3 > 0 {
            receiver.recv().unwrap();
        }
    }
    let left: Vec<_> = receiver.try_iter().map(|(i, _)| i).collect();
    assert!(left.into_iter().eq(6666..10_000));
}

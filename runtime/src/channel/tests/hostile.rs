//! Memory that another process has written nonsense into.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::channel::words::Words;
use crate::channel::{Receiver, Sender, channel};

const SHORT: Duration = Duration::from_millis(1);

/// Writes a random word somewhere but into the locks, which are tested on their own.
fn scribble(words: &Words, random: &mut fastrand::Rng) {
    let value = match random.u8(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => random.u64(..),
        3 => random.u64(0..100_000),
        4 => 1 << random.u8(0..64),
        _ => words.sent.0.tail.load(Ordering::Relaxed) ^ (1 << random.u8(0..64)),
    };
    let entry = &words.table[random.usize(0..3)];
    let word = match random.u8(0..8) {
        0 | 1 => &words.sent.0.tail,
        2 | 3 => &words.taken.0.head,
        4 => &entry.offset,
        5 => &entry.size,
        6 => &entry.base,
        _ => &entry.reserved,
    };
    word.store(value, Ordering::Relaxed);
    if random.u8(0..4) == 0 {
        let word = match random.bool() {
            true => &words.sent.0.regions,
            false => &words.taken.0.region,
        };
        word.store(random.u32(0..5), Ordering::Relaxed);
    }
}

fn some(random: &mut fastrand::Rng) -> (Sender<Vec<u8>>, Receiver<Vec<u8>>) {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    for _ in 0..random.u8(0..10) {
        sender.send(vec![1; random.usize(0..30_000)]).unwrap();
    }
    for _ in 0..random.u8(0..10) {
        let _ = receiver.try_recv();
    }
    (sender, receiver)
}

#[test]
fn nonsense_in_the_memory_of_a_channel_is_an_error_at_worst() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..300 {
        let (sender, receiver) = some(&mut random);
        for _ in 0..random.u8(1..5) {
            scribble(sender.port().words(), &mut random);
        }
        for _ in 0..5 {
            let _ = sender.try_send(vec![2; random.usize(0..100_000)]);
            let _ = receiver.try_recv();
            let _ = receiver.recv_timeout(SHORT);
            let _ = receiver.recv_many(&mut Vec::new(), 0);
            let _ = (sender.len(), receiver.is_full(), format!("{receiver:?}"));
            scribble(sender.port().words(), &mut random);
        }
    }
}

#[test]
fn a_length_that_cannot_be_is_an_error() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    sender.send(vec![1; 100]).unwrap();
    let tail = &sender.port().words().sent.0.tail;
    tail.fetch_sub(5, Ordering::Relaxed);
    let error = receiver.try_recv().unwrap_err();
    assert!(!error.is_disconnected());
    assert!(error.to_string().contains("channel"), "{error}");
}

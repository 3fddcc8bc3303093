//! Senders and receivers that are killed anywhere.

use std::thread;
use std::time::Duration;

use parproc::channel::{Receiver, Select, Sender, TryRecvError, bounded, channel};
use parproc::{Process, parallel};
use parproc_tests::within;
use serde::{Deserialize, Serialize};

use super::{LONGER, rounds};

#[derive(Debug, Serialize, Deserialize)]
struct Numbered {
    round: u32,
    number: u64,
    bytes: Vec<u8>,
    /// Some messages contain a handle.
    reply: Option<Sender<u64>>,
}

impl Numbered {
    fn new(round: u32, number: u64, reply: &Sender<u64>) -> Self {
        let len = fastrand::Rng::with_seed(number).usize(0..3000);
        Self {
            round,
            number,
            bytes: vec![number as u8; len],
            reply: number.is_multiple_of(7).then(|| reply.clone()),
        }
    }

    fn check(&self, round: u32, number: u64) {
        assert_eq!((self.round, self.number), (round, number));
        let len = fastrand::Rng::with_seed(number).usize(0..3000);
        assert!(self.bytes.len() == len && self.bytes.iter().all(|byte| *byte == number as u8));
        assert_eq!(self.reply.is_some(), number.is_multiple_of(7));
    }
}

/// Sends until it is killed.
#[parallel]
fn pours(round: u32, to: Sender<Numbered>, reply: Sender<u64>) {
    for number in 0.. {
        if to.send(Numbered::new(round, number, &reply)).is_err() {
            return;
        }
    }
}

/// Says what it received, until it is killed.
#[parallel]
fn takes(from: Receiver<u64>, to: Sender<u64>) {
    for number in from {
        if to.send(number).is_err() {
            return;
        }
    }
}

/// Says what it received from either, until it is killed.
#[parallel]
fn selects(first: Receiver<u64>, second: Receiver<u64>, to: Sender<u64>) {
    let receivers = [&first, &second];
    let mut select = Select::new();
    for receiver in receivers {
        select.recv(receiver);
    }
    while let Some(ready) = select.ready() {
        match receivers[ready].try_recv() {
            Ok(number) if to.send(number).is_ok() => {}
            Err(TryRecvError::Empty) => {}
            _ => return,
        }
    }
}

fn pause(random: &mut fastrand::Rng) {
    thread::sleep(Duration::from_micros(random.u64(0..1500)));
}

fn random() -> fastrand::Rng {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

#[test]
fn a_sender_that_is_killed_leaves_no_half_message_and_nobody_waiting() {
    within(LONGER, || {
        let mut random = random();
        let (sender, receiver) = bounded(20).unwrap();
        let (reply, _replies) = channel().unwrap();
        for round in 0..rounds(150) {
            let pouring = (round, sender.clone(), reply.clone());
            let process = Process::spawn(pours, pouring).unwrap();
            receiver.recv().unwrap().check(round, 0);
            let killer = thread::spawn({
                let mut random = random.fork();
                move || {
                    pause(&mut random);
                    process.kill();
                    process.join().unwrap_err();
                }
            });
            let mut received = 1;
            while !killer.is_finished() || !receiver.is_empty() {
                while let Ok(message) = receiver.recv_timeout(Duration::from_micros(100)) {
                    message.check(round, received);
                    received += 1;
                }
            }
            killer.join().unwrap();
            sender.send(Numbered::new(round, 0, &reply)).unwrap();
            receiver.recv().unwrap().check(round, 0);
        }
    });
}

#[test]
fn receivers_that_are_killed_lose_one_message_each_at_most() {
    within(LONGER, || {
        let (sender, numbers) = bounded(20).unwrap();
        let feeding = thread::spawn(move || (0_u64..).find(|i| sender.send(*i).is_err()));
        kill_some(move |results| Process::spawn(takes, (numbers.clone(), results)).unwrap());
        feeding.join().unwrap().expect("the end of sending");
    });
}

#[test]
fn who_selects_and_is_killed_keeps_nobody_else_from_receiving() {
    within(LONGER, || {
        let (sender, first) = bounded(20).unwrap();
        let (other, second) = bounded(20).unwrap();
        let feeding = thread::spawn(move || {
            let mut random = fastrand::Rng::new();
            (0_u64..).find(|i| {
                if random.u8(0..50) == 0 {
                    pause(&mut random);
                }
                let sender = if random.bool() { &sender } else { &other };
                sender.send(*i).is_err()
            })
        });
        kill_some(move |results| {
            let (first, second) = (first.clone(), second.clone());
            Process::spawn(selects, (first, second, results)).unwrap()
        });
        feeding.join().unwrap().expect("the end of sending");
    });
}

/// Has two processes at a time receive the numbers from 0 on, and kills many of them. Each of these may
/// lose one number.
fn kill_some(start: impl Fn(Sender<u64>) -> Process<()>) {
    let mut random = random();
    let rounds = rounds(150);
    let (results, receiver) = channel().unwrap();
    let gathering = thread::spawn(move || receiver.iter().collect::<Vec<_>>());
    let mut processes = vec![start(results.clone()), start(results.clone())];
    for _ in 0..rounds {
        pause(&mut random);
        let process = processes.swap_remove(random.usize(0..2));
        process.kill();
        process.join().unwrap_err();
        processes.push(start(results.clone()));
    }
    // Who feeds them stops when nobody receives.
    drop((processes, start, results));
    let mut received = gathering.join().unwrap();
    received.sort_unstable();
    let count = received.len() as u64;
    assert!(received.windows(2).all(|pair| pair[0] < pair[1]), "twice");
    let last = received.last().map_or(0, |last| last + 1);
    let lost = last - count;
    // What waited at the end, and what came behind it in the other channel, is lost as well.
    assert!(lost <= u64::from(rounds) + 2 + 20, "{lost} of {last} lost");
    assert!(last > u64::from(rounds), "only {last} received");
}

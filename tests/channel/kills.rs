//! Senders and receivers that are killed anywhere.

use std::thread;
use std::time::Duration;

use parproc::channel::{Receiver, Sender, bounded, channel};
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
        let mut random = random();
        let (sender, numbers) = bounded(20).unwrap();
        let (results, receiver) = channel().unwrap();
        let rounds = rounds(150);
        let feeding = thread::spawn(move || (0_u64..).find(|i| sender.send(*i).is_err()));
        let gathering = thread::spawn(move || receiver.iter().collect::<Vec<_>>());
        let start = || Process::spawn(takes, (numbers.clone(), results.clone())).unwrap();
        let mut processes = vec![start(), start()];
        for _ in 0..rounds {
            pause(&mut random);
            let process = processes.swap_remove(random.usize(0..2));
            process.kill();
            process.join().unwrap_err();
            processes.push(start());
        }
        // The others stop when the feeder stops, and that when nobody receives.
        let rest: Vec<_> = processes
            .into_iter()
            .map(|process| process.kill())
            .collect();
        drop((rest, numbers, results));
        let sent = feeding.join().unwrap().expect("the end of sending");
        let mut received = gathering.join().unwrap();
        received.sort_unstable();
        let count = received.len() as u64;
        assert!(received.windows(2).all(|pair| pair[0] < pair[1]), "twice");
        let last = received.last().map_or(0, |last| last + 1);
        let lost = last - count;
        assert!(lost <= u64::from(rounds) + 2, "{lost} of {last} lost");
        assert!(sent >= last, "{sent} sent, {last} received");
    });
}

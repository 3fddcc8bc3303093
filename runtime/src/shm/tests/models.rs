//! Models of the ring and the bell: loom runs them in every interleaving, and with every value that
//! a weak memory could return.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::side::{Side, wait};
use super::simulated::{LoomPark, LoomRing, check};
use crate::shm::{Consumer, Producer, Ringer, Sleeper};

/// Passes `bytes` through a ring of `capacity` from a side that writes at most `piece` at once to
/// one that reads at most `gulp` at once.
fn pass(capacity: usize, bytes: &'static [u8], piece: usize, gulp: usize) {
    let (ring, sender, receiver) = (LoomRing::new(capacity), LoomPark::new(), LoomPark::new());
    let mut consumer = Consumer::new(ring.clone());
    let mut reader = Side::new(receiver.clone(), sender.clone());
    let writer = thread::spawn(move || {
        let mut producer = Producer::new(ring);
        let mut side = Side::new(sender, receiver);
        for piece in bytes.chunks(piece) {
            side.send(&mut producer, piece);
        }
    });
    let mut received = vec![0; bytes.len()];
    for gulp in received.chunks_mut(gulp) {
        reader.receive(&mut consumer, gulp);
    }
    assert_eq!(received, bytes);
    writer.join().unwrap();
}

#[test]
fn a_message_longer_than_the_ring_arrives_in_order() {
    check(2, || pass(2, &[1, 2, 3, 4, 5], 5, 5));
}

#[test]
fn single_bytes_arrive_in_order_when_both_sides_sleep() {
    check(2, || pass(2, &[1, 2, 3, 4], 1, 1));
}

#[test]
fn pieces_that_straddle_the_end_of_the_ring_arrive_in_order() {
    check(2, || pass(4, &[1, 2, 3, 4, 5, 6], 3, 3));
}

#[test]
fn what_is_appended_or_skipped_is_not_overwritten_before() {
    check(2, || {
        let (ring, sender, receiver) = (LoomRing::new(2), LoomPark::new(), LoomPark::new());
        let mut consumer = Consumer::new(ring.clone());
        let mut reader = Side::new(receiver.clone(), sender.clone());
        let writer = thread::spawn(move || {
            let mut side = Side::new(sender, receiver);
            side.send(&mut Producer::new(ring), &[1, 2, 3, 4]);
        });
        let mut received = Vec::new();
        reader.wait(|| consumer.available().unwrap() > 0);
        assert_eq!(consumer.skip(1), Ok(1));
        reader.wake_other();
        while received.len() < 3 {
            let missing = 3 - received.len();
            if consumer.append(missing, &mut received).unwrap() > 0 {
                reader.wake_other();
            } else {
                reader.wait(|| consumer.available().unwrap() > 0);
            }
        }
        assert_eq!(received, [2, 3, 4]);
        writer.join().unwrap();
    });
}

#[test]
fn a_side_that_waits_for_an_answer_gets_it() {
    check(3, || {
        let (tasks, results) = (LoomRing::new(2), LoomRing::new(2));
        let (parent, worker) = (LoomPark::new(), LoomPark::new());
        let mut sent = Producer::new(tasks.clone());
        let mut answers = Consumer::new(results.clone());
        let mut asking = Side::new(parent.clone(), worker.clone());
        let worker = thread::spawn(move || {
            let (mut tasks, mut results) = (Consumer::new(tasks), Producer::new(results));
            let mut side = Side::new(worker, parent);
            let mut task = [0];
            side.receive(&mut tasks, &mut task);
            side.send(&mut results, &[task[0] + 1]);
        });
        let mut answer = [0];
        asking.send(&mut sent, &[7]);
        asking.receive(&mut answers, &mut answer);
        assert_eq!(answer, [8]);
        worker.join().unwrap();
    });
}

#[test]
fn a_sleeper_hears_all_news_of_two_ringers() {
    check(2, || {
        let park = LoomPark::new();
        let news = Rc::new(AtomicU64::new(0));
        let ringers = [2, 1].map(|count| {
            let (park, news) = (park.clone(), Rc::clone(&news));
            thread::spawn(move || {
                let mut ringer = Ringer::new(park);
                for _ in 0..count {
                    // Relaxed: it is the bell's fences that must make the news visible.
                    news.fetch_add(1, Ordering::Relaxed);
                    ringer.ring();
                }
            })
        });
        let mut sleeper = Sleeper::new(park);
        for heard in 1..=3 {
            wait(&mut sleeper, || news.load(Ordering::Relaxed) >= heard);
        }
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}

#[test]
fn a_ringer_wakes_each_of_several_sleeps() {
    check(3, || {
        let park = LoomPark::new();
        let news = Rc::new(AtomicU64::new(0));
        let ringer = thread::spawn({
            let (park, news) = (park.clone(), Rc::clone(&news));
            move || {
                let mut ringer = Ringer::new(park);
                for count in 1..=3 {
                    news.store(count, Ordering::Relaxed);
                    ringer.ring();
                }
            }
        });
        let mut sleeper = Sleeper::new(park);
        for heard in 1..=3 {
            wait(&mut sleeper, || news.load(Ordering::Relaxed) >= heard);
        }
        ringer.join().unwrap();
    });
}

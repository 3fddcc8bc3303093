//! A chunk has one owner: the worker that begins it or the parent that takes it back.
//!
//! [`Claim::swap`] works on the standard library's atomics, so loom cannot vary what it reads; it
//! varies who comes first, through a word of its own that is touched before each access. That is
//! enough: compare-and-swap always succeeds on the latest value, and the frames travel by the ring,
//! which has models of its own. That the swap is one step is left to a race of real threads.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use loom::sync::atomic::AtomicU64 as LoomU64;

use super::side::Side;
use super::simulated::{LoomPark, LoomRing, check};
use crate::shm::{CLAIMS, Claim, Consumer, Corrupt, Producer, claim_word};

/// A claim whose accesses loom puts in order.
struct Gated {
    word: AtomicU64,
    gate: LoomU64,
}

impl Gated {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            gate: LoomU64::new(0),
        }
    }

    fn queue(&self, number: u8) {
        self.gate.fetch_add(1, Ordering::Relaxed);
        let word = claim_word(number.into(), Claim::Queued);
        self.word.store(word, Ordering::Release);
    }

    fn swap(&self, claim: Claim, number: u8) -> bool {
        self.gate.fetch_add(1, Ordering::Relaxed);
        claim.swap(&self.word, number.into())
    }
}

#[test]
fn a_chunk_is_taken_or_revoked_but_never_both() {
    check(3, || {
        let claim = Rc::new(Gated::new());
        claim.queue(1);
        let worker = loom::thread::spawn({
            let claim = Rc::clone(&claim);
            move || claim.swap(Claim::Taken, 1)
        });
        let revoked = claim.swap(Claim::Revoked, 1);
        assert_ne!(revoked, worker.join().unwrap());
    });
}

#[test]
fn a_word_used_again_gives_each_chunk_one_owner() {
    check(2, || {
        let (frames, ends) = (LoomRing::new(4), LoomRing::new(2));
        let (parent, worker) = (LoomPark::new(), LoomPark::new());
        let claim = Rc::new(Gated::new());
        let mut queue = Producer::new(frames.clone());
        let mut ended = Consumer::new(ends.clone());
        let mut side = Side::new(parent.clone(), worker.clone());
        let worker = loom::thread::spawn({
            let claim = Rc::clone(&claim);
            move || {
                let (mut frames, mut ends) = (Consumer::new(frames), Producer::new(ends));
                let mut side = Side::new(worker, parent);
                [1, 2].map(|number| {
                    let mut frame = [0];
                    side.receive(&mut frames, &mut frame);
                    assert_eq!(frame, [number]);
                    let taken = claim.swap(Claim::Taken, number);
                    if taken {
                        side.send(&mut ends, &frame);
                    }
                    taken
                })
            }
        });
        let revoked = [1, 2].map(|number| {
            claim.queue(number);
            side.send(&mut queue, &[number]);
            let revoked = claim.swap(Claim::Revoked, number);
            if !revoked {
                // It runs: the word is free again once it has ended.
                let mut frame = [0];
                side.receive(&mut ended, &mut frame);
                assert_eq!(frame, [number]);
            }
            revoked
        });
        assert_eq!(worker.join().unwrap(), revoked.map(|revoked| !revoked));
    });
}

#[test]
fn a_frame_whose_word_serves_a_later_chunk_is_skipped() {
    let word = AtomicU64::new(claim_word(7, Claim::Queued));
    assert!(Claim::Revoked.swap(&word, 7));
    word.store(claim_word(71, Claim::Queued), Ordering::Release);
    assert!(!Claim::Taken.swap(&word, 7));
    assert!(!Claim::Revoked.swap(&word, 7));
    assert!(Claim::Taken.swap(&word, 71));
    assert!(!Claim::Revoked.swap(&word, 71));
}

#[test]
fn no_word_belongs_to_two_chunks_or_states() {
    let states = [Claim::Queued, Claim::Taken, Claim::Revoked];
    let mut words: Vec<u64> = (0..200)
        .flat_map(|number| states.map(|state| claim_word(number, state)))
        .collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 600);
}

#[test]
fn threads_that_race_for_many_chunks_share_them_out() {
    const CHUNKS: u64 = 20_000;
    let words: Vec<AtomicU64> = (0..CHUNKS)
        .map(|number| AtomicU64::new(claim_word(number, Claim::Queued)))
        .collect();
    let arrived = AtomicU64::new(0);
    let win = |claim: Claim| -> u64 {
        let mut won = 0;
        for (number, word) in (0..).zip(&words) {
            // They go for each chunk together: apart, they would hardly ever meet.
            arrived.fetch_add(1, Ordering::Relaxed);
            let mut spins = 0_u32;
            while arrived.load(Ordering::Relaxed) < 2 * (number + 1) {
                spins += 1;
                if spins.is_multiple_of(1_000) {
                    thread::yield_now();
                }
            }
            won += u64::from(claim.swap(word, number));
        }
        won
    };
    let won = thread::scope(|scope| {
        let worker = scope.spawn(|| win(Claim::Taken));
        win(Claim::Revoked) + worker.join().unwrap()
    });
    assert_eq!(won, CHUNKS);
}

#[test]
fn a_word_that_nobody_wrote_is_noticed() {
    let number = 70;
    let later = number + CLAIMS as u64;
    let take = |word| Claim::take(&AtomicU64::new(word), number);
    assert_eq!(take(claim_word(number, Claim::Queued)), Ok(true));
    for word in [
        claim_word(number, Claim::Revoked),
        claim_word(later, Claim::Queued),
        claim_word(later, Claim::Revoked),
    ] {
        assert_eq!(take(word), Ok(false));
    }
    for word in [
        0,
        u64::MAX,
        claim_word(number, Claim::Taken),
        claim_word(number - 1, Claim::Queued),
        claim_word(number + 1, Claim::Queued),
        claim_word(later, Claim::Queued) | 3,
    ] {
        assert_eq!(take(word), Err(Corrupt));
    }
}

//! Words that the other side made up: a side works within bounds or says `Corrupt`, and never
//! panics.
//!
//! Both memories refuse an access out of bounds by a panic, which would fail these tests.

use std::sync::atomic::Ordering;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::plain::PlainRing;
use crate::shm::{Consumer, Corrupt, Lane, Memory, Producer, RING_BYTES, SEGMENT_BYTES, Word};
use crate::sys::Segment;

/// A value for the other side's word, made to fit the victim's own position.
#[derive(Debug, Clone)]
enum Lie {
    Any(u64),
    /// So many laps and bytes away from the truth: the edges of what is possible.
    Edge(i64, i64),
    /// Possible, if it is not less than it was before.
    Within(usize),
}

impl Lie {
    fn about(&self, position: u64, capacity: usize) -> u64 {
        match *self {
            Lie::Any(value) => value,
            Lie::Edge(laps, bytes) => {
                let offset = laps * i64::try_from(capacity).unwrap() + bytes;
                position.wrapping_add_signed(offset)
            }
            Lie::Within(distance) => position.wrapping_add((distance % (capacity + 1)) as u64),
        }
    }
}

fn lies() -> impl Strategy<Value = Lie> {
    prop_oneof![
        1 => any::<u64>().prop_map(Lie::Any),
        2 => (-2..=2_i64, -1..=1_i64).prop_map(|(laps, bytes)| Lie::Edge(laps, bytes)),
        6 => any::<usize>().prop_map(Lie::Within),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Lie(Lie),
    /// Lengths are in 256ths of the capacity, so that small and large rings share the steps.
    Write(usize),
    Read(usize),
    Append(usize),
    Skip(usize),
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let len = 0..=400_usize;
    let step = prop_oneof![
        4 => lies().prop_map(Step::Lie),
        4 => len.clone().prop_map(Step::Write),
        1 => len.clone().prop_map(Step::Read),
        1 => len.clone().prop_map(Step::Append),
        2 => len.prop_map(Step::Skip),
    ];
    vec(step, 0..most)
}

/// What rule 4 makes of the words seen so far: how far apart they are, if they are possible.
struct Rule {
    capacity: usize,
    /// The victim's own position.
    own: u64,
    /// The other side's word when it was last accepted.
    accepted: u64,
}

impl Rule {
    fn room(&mut self, head: u64) -> Result<usize, Corrupt> {
        let possible = self.accepted <= head && head <= self.own;
        self.judge(head, possible, self.own.wrapping_sub(head))
            .map(|used| self.capacity - used)
    }

    fn available(&mut self, tail: u64) -> Result<usize, Corrupt> {
        let possible = self.accepted <= tail && self.own <= tail;
        self.judge(tail, possible, tail.wrapping_sub(self.own))
    }

    fn judge(&mut self, word: u64, ordered: bool, distance: u64) -> Result<usize, Corrupt> {
        if !ordered || distance > self.capacity as u64 {
            return Err(Corrupt);
        }
        self.accepted = word;
        Ok(usize::try_from(distance).unwrap())
    }
}

/// `other` is the memory as the liar has it, `memory` as the producer has it.
fn lie_to_producer<M: Memory>(memory: M, other: &M, steps: &[Step]) -> Result<(), TestCaseError> {
    let capacity = memory.capacity();
    let bytes = vec![0x5A; 2 * capacity];
    let mut producer = Producer::new(memory);
    let (mut rule, mut head) = (
        Rule {
            capacity,
            own: 0,
            accepted: 0,
        },
        0,
    );
    for step in steps {
        match step {
            Step::Lie(lie) => {
                // The truth about a producer lies up to a lap behind it.
                let lap_behind = rule.own.wrapping_sub(capacity as u64);
                head = lie.about(lap_behind, capacity);
                other.head().store(head, Ordering::Release);
            }
            Step::Write(len) => {
                let len = len * capacity / 256;
                // An old look may do, so an impossible word can go unnoticed here, and only here.
                let known = capacity - usize::try_from(rule.own - rule.accepted).unwrap();
                match producer.write(&bytes[..len]) {
                    Ok(written) => {
                        let room = rule.room(head).unwrap_or(known).max(known);
                        prop_assert!(written <= len.min(room));
                        rule.own += written as u64;
                    }
                    Err(Corrupt) => prop_assert_eq!(rule.room(head), Err(Corrupt)),
                }
                producer.publish();
            }
            Step::Read(_) | Step::Append(_) | Step::Skip(_) => {}
        }
        prop_assert_eq!(producer.room(), rule.room(head));
    }
    Ok(())
}

/// `other` is the memory as the liar has it, `memory` as the consumer has it.
fn lie_to_consumer<M: Memory>(memory: M, other: &M, steps: &[Step]) -> Result<(), TestCaseError> {
    let capacity = memory.capacity();
    let mut consumer = Consumer::new(memory);
    let (mut rule, mut tail) = (
        Rule {
            capacity,
            own: 0,
            accepted: 0,
        },
        0,
    );
    for step in steps {
        let consumed = match step {
            Step::Lie(lie) => {
                tail = lie.about(rule.own, capacity);
                other.tail().store(tail, Ordering::Release);
                Ok(0)
            }
            Step::Read(len) => consumer.read(&mut vec![0; len * capacity / 256]),
            Step::Append(len) => {
                let mut out = Vec::new();
                let result = consumer.append(len * capacity / 256, &mut out);
                prop_assert_eq!(out.len(), result.unwrap_or(0));
                result
            }
            Step::Skip(len) => consumer.skip(len * capacity / 256),
            Step::Write(_) => Ok(0),
        };
        // An old look may do, so an impossible word can go unnoticed here, and only here.
        let known = usize::try_from(rule.accepted - rule.own).unwrap();
        match consumed {
            Ok(consumed) => {
                let limit = match step {
                    Step::Read(len) | Step::Append(len) | Step::Skip(len) => len * capacity / 256,
                    _ => 0,
                };
                let available = rule.available(tail).unwrap_or(known).max(known);
                prop_assert!(consumed <= limit.min(available));
                rule.own += consumed as u64;
            }
            Err(Corrupt) => prop_assert_eq!(rule.available(tail), Err(Corrupt)),
        }
        prop_assert_eq!(consumer.available(), rule.available(tail));
    }
    Ok(())
}

/// One worker's segment as its parent and as the worker see it.
fn lanes() -> (Lane, Lane) {
    let segment = Segment::new(SEGMENT_BYTES).unwrap();
    let parent = Lane::map(&segment, true).unwrap();
    let worker = Lane::map(&segment, false).unwrap();
    (parent, worker)
}

proptest! {
    #[test]
    fn a_producer_survives_any_head(log in 0..6_u32, steps in steps(100)) {
        let ring = PlainRing::new(1 << log);
        lie_to_producer(ring.clone(), &ring, &steps)?;
    }

    #[test]
    fn a_consumer_survives_any_tail(log in 0..6_u32, steps in steps(100)) {
        let ring = PlainRing::new(1 << log);
        lie_to_consumer(ring.clone(), &ring, &steps)?;
    }
}

proptest! {
    // Each case maps and fills rings of a megabyte.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_parent_survives_any_head_of_its_worker(steps in steps(30)) {
        let (parent, worker) = lanes();
        lie_to_producer(parent.tasks(), &worker.tasks(), &steps)?;
    }

    #[test]
    fn a_parent_survives_any_tail_of_its_worker(steps in steps(30)) {
        let (parent, worker) = lanes();
        lie_to_consumer(parent.results(), &worker.results(), &steps)?;
    }
}

proptest! {
    #[test]
    fn a_text_of_any_length_is_read_within_its_room(
        len in prop_oneof![
            any::<u64>(),
            (0..64_u32).prop_map(|log| 1 << log),
            0..2 * SEGMENT_BYTES as u64,
        ],
        nearness in -1..=1_i64,
    ) {
        let (parent, worker) = lanes();
        worker.last_words().put(&[b'x'; SEGMENT_BYTES]);
        let room = parent.last_words().get().unwrap().len() as u64;
        for len in [len, room.wrapping_add_signed(nearness)] {
            worker.worker.text_len.store(len, Ordering::Release);
            let read = parent.last_words().get().map(|text| text.len() as u64);
            prop_assert_eq!(read, Some(len).filter(|len| (1..=room).contains(len)));
        }
    }
}

#[test]
fn a_head_before_the_first_byte_is_corrupt() {
    let ring = PlainRing::new(8);
    let mut producer = Producer::new(ring.clone());
    // It is less than a lap behind the tail if one counts through zero.
    ring.head().set(0_u64.wrapping_sub(8));
    assert_eq!(producer.room(), Err(Corrupt));
    // What was refused has changed nothing.
    assert_eq!(producer.write(&[1; 8]), Ok(8));
}

#[test]
fn a_parent_survives_a_worker_that_scribbles_while_it_works() {
    let (parent, worker) = lanes();
    thread::scope(|scope| {
        let victim = scope.spawn(|| work_until_lied_to(&parent));
        let (read, written) = (&parent.parent, &worker.worker);
        let mut random = 1_u64;
        // Ends with the victim, also if it panics.
        while !victim.is_finished() {
            // Xorshift, every other time cut to what can be true.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let distance = random % RING_BYTES as u64;
            let tail = read.task_tail.0.load(Ordering::Relaxed);
            let head = read.result_head.0.load(Ordering::Relaxed);
            let (head, tail) = if random.is_multiple_of(2) {
                (random, random)
            } else {
                (tail.saturating_sub(distance), head + distance)
            };
            written.task_head.0.store(head, Ordering::Release);
            written.results.0.tail.store(tail, Ordering::Release);
        }
    });
}

/// Uses both rings until words were accepted often, and refused often.
fn work_until_lied_to(parent: &Lane) {
    let bytes = vec![0x5A; 3000];
    let mut producer = Producer::new(parent.tasks());
    let mut consumer = Consumer::new(parent.results());
    let (mut accepted, mut refused) = (0, 0);
    while accepted < 5_000 || refused < 5_000 {
        let mut out = Vec::new();
        let results = [
            producer.write(&bytes),
            consumer.append(bytes.len(), &mut out),
            producer.room(),
            consumer.available(),
        ];
        producer.publish();
        assert!(out.len() <= bytes.len());
        for result in results {
            match result {
                Ok(len) => {
                    assert!(len <= RING_BYTES);
                    accepted += 1;
                }
                Err(Corrupt) => refused += 1,
            }
        }
    }
}

//! The ring is a queue of bytes: random calls against a `VecDeque`.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::plain::PlainRing;
use crate::shm::{Consumer, Producer};

const PADDED: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    /// The first so many of `PADDED` bytes.
    WritePadded(usize),
    Publish,
    Read(usize),
    Append(usize),
    Skip(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Longer than the largest ring, so that pieces are cut short.
    let len = 0..40_usize;
    let step = prop_oneof![
        3 => len.clone().prop_map(Step::Write),
        1 => (0..=PADDED + 1).prop_map(Step::WritePadded),
        2 => Just(Step::Publish),
        1 => len.clone().prop_map(Step::Read),
        1 => len.clone().prop_map(Step::Append),
        1 => len.prop_map(Step::Skip),
    ];
    vec(step, 0..200)
}

/// What the ring should hold: bytes that can be read, then bytes that are not yet published.
struct Queue {
    capacity: usize,
    bytes: VecDeque<u8>,
    published: usize,
    written: usize,
    consumed: usize,
}

impl Queue {
    fn room(&self) -> usize {
        self.capacity - self.bytes.len()
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.room());
        self.bytes.extend(&bytes[..len]);
        self.written += len;
        len
    }

    fn consume(&mut self, limit: usize) -> Vec<u8> {
        let len = limit.min(self.published);
        self.published -= len;
        self.consumed += len;
        self.bytes.drain(..len).collect()
    }
}

proptest! {
    #[test]
    fn bytes_come_out_as_they_went_in(log in 0..6_u32, steps in steps()) {
        let capacity = 1 << log;
        let ring = PlainRing::new(capacity);
        let mut producer = Producer::new(ring.clone());
        let mut consumer = Consumer::new(ring);
        let mut queue = Queue {
            capacity,
            bytes: VecDeque::new(),
            published: 0,
            written: 0,
            consumed: 0,
        };
        // Another byte at each position within a lap and a few laps.
        let mut stream = (0..=u8::MAX).cycle().map(|byte| byte.wrapping_mul(151));
        for step in steps {
            match step {
                Step::Write(len) => {
                    let bytes: Vec<u8> = stream.by_ref().take(len).collect();
                    prop_assert_eq!(producer.write(&bytes), Ok(queue.write(&bytes)));
                }
                Step::WritePadded(len) => {
                    let bytes: [u8; PADDED] = std::array::from_fn(|_| stream.next().unwrap());
                    let until_end = capacity - queue.written % capacity;
                    let fits = len <= PADDED && PADDED <= queue.room().min(until_end);
                    prop_assert_eq!(producer.write_padded(&bytes, len), fits);
                    if fits {
                        queue.write(&bytes[..len]);
                    }
                }
                Step::Publish => {
                    producer.publish();
                    queue.published = queue.bytes.len();
                }
                Step::Read(len) => {
                    let mut bytes = vec![0xA5; len];
                    let expected = queue.consume(len);
                    prop_assert_eq!(consumer.read(&mut bytes), Ok(expected.len()));
                    prop_assert_eq!(&bytes[..expected.len()], &expected);
                    prop_assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0xA5));
                }
                Step::Append(limit) => {
                    let mut out = b"before".to_vec();
                    let expected = queue.consume(limit);
                    prop_assert_eq!(consumer.append(limit, &mut out), Ok(expected.len()));
                    prop_assert_eq!(out, [b"before", &expected[..]].concat());
                }
                Step::Skip(limit) => {
                    prop_assert_eq!(consumer.skip(limit), Ok(queue.consume(limit).len()));
                }
            }
            let unpublished = queue.bytes.len() - queue.published;
            prop_assert_eq!(consumer.available(), Ok(queue.published));
            prop_assert_eq!(consumer.position(), queue.consumed as u64);
            prop_assert_eq!(producer.room(), Ok(capacity - queue.published - unpublished));
            prop_assert_eq!(queue.written, queue.consumed + queue.published + unpublished);
        }
    }
}

proptest! {
    /// The other property asks both sides after each step, which brings them up to date; here they
    /// look only when they have to.
    #[test]
    fn sides_that_look_rarely_lose_nothing(
        pieces in vec((1..40_usize, 1..40_usize), 1..200),
    ) {
        let ring = PlainRing::new(16);
        let mut producer = Producer::new(ring.clone());
        let mut consumer = Consumer::new(ring);
        let (mut written, mut read) = (0_usize, 0_usize);
        let byte = |position: usize| (position % 251) as u8;
        for (piece, gulp) in pieces {
            let bytes: Vec<u8> = (written..written + piece).map(byte).collect();
            let len = producer.write(&bytes).unwrap();
            prop_assert_eq!(len, piece.min(16 - (written - read)));
            written += len;
            producer.publish();
            let mut out = Vec::new();
            let len = consumer.append(gulp, &mut out).unwrap();
            prop_assert_eq!(len, gulp.min(written - read));
            prop_assert_eq!(out, (read..read + len).map(byte).collect::<Vec<u8>>());
            read += len;
        }
    }
}

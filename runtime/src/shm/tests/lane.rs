//! The real thing: a segment mapped twice, as its parent and as its worker have it, with a thread
//! on each side and the kernel's futexes between them.

use std::fs;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::side::Side;
use crate::shm::{
    CLAIMS, Consumer, Lane, Memory, POOL_BYTES, Park, PoolPark, PoolSide, Producer, RING_BYTES,
    Ringer, SEGMENT_BYTES, Sleeper, WorkerPark,
};
use crate::sys::Segment;

/// Longer than any sleep that is rung, even on a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(60);

/// A bell that fails the test where a lost wake-up would let it hang.
struct Limited<P>(P);

impl<P: Park> Park for Limited<P> {
    fn bell(&self) -> u32 {
        self.0.bell()
    }

    fn ring(&self) {
        self.0.ring();
    }

    fn asleep(&self) -> u32 {
        self.0.asleep()
    }

    fn set_asleep(&self, value: u32) {
        self.0.set_asleep(value);
    }

    fn wait(&self, seen: u32, _timeout: Option<Duration>) {
        let start = Instant::now();
        self.0.wait(seen, Some(LIMIT));
        assert!(start.elapsed() < LIMIT, "a wake-up was lost");
    }

    fn fence(&self) {
        self.0.fence();
    }
}

/// A pool with one worker, as one of the two has it.
struct Mapped {
    lane: Lane,
    pool: PoolSide,
}

type ParentSide = Side<Limited<PoolPark>, WorkerPark>;
type WorkerSide = Side<Limited<WorkerPark>, PoolPark>;

impl Mapped {
    fn parent_side(&self) -> ParentSide {
        Side::new(Limited(self.pool.park()), self.lane.park())
    }

    fn worker_side(&self) -> WorkerSide {
        Side::new(Limited(self.lane.park()), self.pool.park())
    }
}

/// As the parent and as the worker map it.
fn mapped_twice() -> (Mapped, Mapped) {
    let lane = Segment::new(SEGMENT_BYTES).unwrap();
    let pool = Segment::new(POOL_BYTES).unwrap();
    let map = |in_parent| Mapped {
        lane: Lane::map(&lane, in_parent).unwrap(),
        pool: PoolSide::map(&pool, in_parent).unwrap(),
    };
    (map(true), map(false))
}

/// Endless pseudo-random bytes, cut into pieces of odd sizes.
///
/// The same block again and again, of a prime length: a byte left from an earlier lap of the ring
/// is not the byte that belongs there now.
struct Stream {
    block: Vec<u8>,
    position: usize,
    random: u64,
}

impl Stream {
    const PERIOD: usize = 1_048_573;

    fn new(seed: u64) -> Self {
        let mut stream = Self {
            block: Vec::new(),
            position: 0,
            random: seed,
        };
        while stream.block.len() < Self::PERIOD {
            let word = stream.next_random();
            stream.block.extend_from_slice(&word.to_le_bytes());
        }
        stream.block.truncate(Self::PERIOD);
        stream
    }

    /// Xorshift.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Odd, and mostly small: from 1 byte to more than the ring.
    fn odd_size(&mut self) -> usize {
        let log = self.next_random() % 21;
        (self.next_random() as usize & ((1 << log) - 1)) | 1
    }

    /// At most `limit` of the next bytes, without passing them.
    fn ahead(&self, limit: usize) -> &[u8] {
        let start = self.position % Self::PERIOD;
        &self.block[start..Self::PERIOD.min(start + limit)]
    }
}

const TOTAL: usize = 64 << 20;

/// Writes the whole of one stream while it reads the whole of another.
fn exchange<P: Park, Q: Park, M: Memory, N: Memory>(
    side: &mut Side<P, Q>,
    (producer, mut out): (&mut Producer<M>, Stream),
    (consumer, mut back): (&mut Consumer<N>, Stream),
) {
    let mut received = Vec::new();
    while out.position < TOTAL || back.position < TOTAL {
        let size = out.odd_size().min(TOTAL - out.position);
        let written = producer.write(out.ahead(size)).unwrap();
        out.position += written;
        producer.publish();

        received.clear();
        let size = back.odd_size().min(TOTAL - back.position);
        let size = back.ahead(size).len();
        let read = consumer.append(size, &mut received).unwrap();
        // Not `assert_eq`, which would print megabytes.
        assert!(received == back.ahead(read), "other bytes than were sent");
        back.position += read;

        if written + read > 0 {
            side.wake_other();
        } else {
            side.wait(|| {
                (out.position < TOTAL && producer.room().unwrap() > 0)
                    || (back.position < TOTAL && consumer.available().unwrap() > 0)
            });
        }
    }
}

#[test]
fn megabytes_in_odd_sizes_arrive_unchanged_in_both_directions() {
    let (parent, worker) = mapped_twice();
    thread::scope(|scope| {
        scope.spawn(move || {
            exchange(
                &mut worker.worker_side(),
                (&mut Producer::new(worker.lane.results()), Stream::new(2)),
                (&mut Consumer::new(worker.lane.tasks()), Stream::new(1)),
            );
        });
        exchange(
            &mut parent.parent_side(),
            (&mut Producer::new(parent.lane.tasks()), Stream::new(1)),
            (&mut Consumer::new(parent.lane.results()), Stream::new(2)),
        );
    });
}

#[test]
fn each_of_many_round_trips_wakes_the_other_side() {
    const ROUNDS: u32 = 5_000;
    let (parent, worker) = mapped_twice();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut side = worker.worker_side();
            let mut tasks = Consumer::new(worker.lane.tasks());
            let mut results = Producer::new(worker.lane.results());
            for _ in 0..ROUNDS {
                let mut task = [0; 4];
                side.receive(&mut tasks, &mut task);
                side.send(&mut results, &task);
            }
        });
        let mut side = parent.parent_side();
        let mut tasks = Producer::new(parent.lane.tasks());
        let mut results = Consumer::new(parent.lane.results());
        for round in 0..ROUNDS {
            let mut result = [0; 4];
            side.send(&mut tasks, &round.to_le_bytes());
            side.receive(&mut results, &mut result);
            assert_eq!(u32::from_le_bytes(result), round);
        }
    });
}

#[test]
fn a_ring_just_before_the_kernel_is_entered_ends_the_sleep() {
    let (parent, worker) = mapped_twice();
    ring_before_sleep(parent.pool.park(), worker.pool.park());
    ring_before_sleep(worker.lane.park(), parent.lane.park());
}

fn ring_before_sleep<P: Park>(own: P, other: P) {
    let mut sleeper = Sleeper::new(Limited(own));
    let mut ringer = Ringer::new(other);
    for _ in 0..3 {
        let announced = sleeper.announce();
        ringer.ring();
        sleeper.sleep(announced, None);
    }
}

#[test]
fn a_sleep_that_nobody_ends_ends_at_its_timeout() {
    let (parent, _worker) = mapped_twice();
    let mut sleeper = Sleeper::new(parent.pool.park());
    let announced = sleeper.announce();
    sleeper.sleep(announced, Some(Duration::from_millis(1)));
    assert!(parent.pool.park().asleep().is_multiple_of(2));
}

/// Whether this process can write at `address`, by the kernel's own list.
fn is_writable(address: usize) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let permissions = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        (start..end).contains(&address).then_some(rest)
    });
    let permissions = permissions.expect("a mapped address");
    assert!(permissions.starts_with('r') && permissions.as_bytes()[3] == b's');
    permissions.as_bytes()[1] == b'w'
}

#[test]
fn a_worker_can_write_its_own_half_only() {
    let (parent, worker) = mapped_twice();
    for (mapped, in_parent) in [(&parent, true), (&worker, false)] {
        let parent_part = std::ptr::from_ref(&*mapped.lane.parent).addr();
        let worker_part = std::ptr::from_ref(&*mapped.lane.worker).addr();
        let pool_words = std::ptr::from_ref(&*mapped.pool.words).addr();
        for offset in [0, RING_BYTES, SEGMENT_BYTES / 2 - 1] {
            assert_eq!(is_writable(parent_part + offset), in_parent);
            assert!(is_writable(worker_part + offset));
        }
        assert_eq!(is_writable(pool_words), in_parent);
    }
}

#[test]
fn a_text_is_read_back_until_it_is_cleared() {
    let (parent, worker) = mapped_twice();
    let (put, got) = (worker.lane.last_words(), parent.lane.last_words());
    assert_eq!(got.get(), None);
    put.put(b"index out of bounds");
    assert_eq!(got.get().as_deref(), Some(&b"index out of bounds"[..]));
    put.clear();
    assert_eq!(got.get(), None);
    put.put(b"");
    assert_eq!(got.get(), None);
}

#[test]
fn a_full_text_and_full_rings_touch_no_word_and_not_each_other() {
    let (parent, worker) = mapped_twice();
    let mut tasks = Producer::new(parent.lane.tasks());
    let mut results = Producer::new(worker.lane.results());
    assert_eq!(tasks.write(&[0x11; RING_BYTES]), Ok(RING_BYTES));
    assert_eq!(results.write(&[0x22; RING_BYTES]), Ok(RING_BYTES));
    worker.lane.last_words().put(&[0x33; SEGMENT_BYTES]);
    tasks.publish();
    results.publish();

    let words = &parent.lane.worker;
    let text = parent.lane.last_words().get().unwrap();
    assert!(text.iter().all(|byte| *byte == 0x33));
    assert_eq!(words.text_len.load(Ordering::Relaxed), text.len() as u64);
    for word in [&words.task_head.0, &words.started.0, &words.began]
        .into_iter()
        .chain([
            &words.fault.address,
            &words.fault.stack,
            &words.fault.signal,
        ])
        .chain(&words.claims)
    {
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }
    assert_eq!(words.claims.len(), CLAIMS);
    assert_eq!(words.sleep.0.asleep.load(Ordering::Relaxed), 0);
    assert_eq!(words.ready.load(Ordering::Relaxed), 0);
    let words = &worker.lane.parent;
    assert_eq!(words.result_head.0.load(Ordering::Relaxed), 0);
    assert_eq!(words.bell.0.load(Ordering::Relaxed), 0);
    assert_eq!(words.closing.0.load(Ordering::Relaxed), 0);
    assert_eq!(words.fingerprint.load(Ordering::Relaxed), 0);

    let mut out = Vec::new();
    let mut tasks = Consumer::new(worker.lane.tasks());
    assert_eq!(tasks.append(RING_BYTES, &mut out), Ok(RING_BYTES));
    assert!(out.iter().all(|byte| *byte == 0x11));
    out.clear();
    let mut results = Consumer::new(parent.lane.results());
    assert_eq!(results.append(RING_BYTES, &mut out), Ok(RING_BYTES));
    assert!(out.iter().all(|byte| *byte == 0x22));
}

//! The parent against a worker that writes anything at all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parproc_macros::parallel;
use proptest::prelude::*;

use super::Pool;
use super::chunk::{Chunk, Delivery};
use super::death::End;
use super::guard::StateGuard;
use super::keep::Failed;
use super::link::Link;
use super::output::Output;
use super::rules::{History, Rules};
use super::setup::Setup;
use super::shared::Shared;
use super::state::CallSpec;
use crate::registry::FunctionId;
use crate::shm::{Lane, Producer, ResultRing, SEGMENT_BYTES};
use crate::sys::{Exit, Segment, Usage, socket_pair};
use crate::wire::{
    LONGEST_HEADER, Levels, Numbering, Payload, Status, encode_argument, landing, write_header,
};

#[parallel(crate = crate)]
fn played(x: u64) -> u64 {
    x
}

/// A pool with one worker that this test plays.
struct Stage {
    shared: Arc<Shared>,
    _pool: Pool,
    worker: Lane,
    results: Producer<ResultRing>,
    call: usize,
}

impl Stage {
    /// The worker was given `chunks` chunks of three items.
    fn new(chunks: usize) -> Self {
        Self::with(chunks, Rules::default(), false)
    }

    /// In a pool that `keeps` inputs of failed items no keeper runs, so nothing is written.
    fn with(chunks: usize, rules: Rules, keeps: bool) -> Self {
        let setup = Setup {
            crash_dir: keeps.then(|| "/nowhere".into()),
            outputs: [Output::Captured, Output::Tail],
            ..Setup::default()
        };
        let pool = Pool::start(1, setup).unwrap();
        let shared = Arc::clone(pool.shared());
        let segment = Segment::new(SEGMENT_BYTES).unwrap();
        let mut link = Link::new(
            1,
            1,
            Lane::map(&segment, true).unwrap(),
            socket_pair().unwrap().0,
        );
        link.greeted = true;
        link.keeps = shared.keeps().then_some(shared.table);
        let ends = shared.relay.open(&shared.setup, &link.lane).unwrap();
        link.streams = shared.relay.begin(ends, 1, &link.lane);
        let worker = Lane::map(&segment, false).unwrap();
        let results = Producer::new(worker.results());
        let spec = CallSpec {
            rules: Some(Arc::new(rules)),
            ..CallSpec::of(function_id(&shared, played), landing::<u64>)
        };
        let call = shared.open_call(spec, None).unwrap();
        let mut state = shared.lock();
        for chunk in 0..chunks {
            let mut payload = Payload::default();
            for item in 0..3_u64 {
                encode_argument(item, &mut payload).unwrap();
            }
            let function = function_id(&shared, played);
            let chunk = Chunk {
                call,
                function,
                first: 3 * chunk,
                count: 3,
                payload,
                row: 0,
                tasks: false,
                history: History::FIRST,
                numbering: Numbering::Items,
                seed: 0,
            };
            state.count_out(call);
            link.give(chunk, false, true, false, Levels::default())
                .unwrap();
        }
        state.links.push(link);
        drop(state);
        Self {
            shared,
            _pool: pool,
            worker,
            results,
            call,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let _ = self.results.write(bytes);
        self.results.publish();
    }

    fn record(&mut self, status: Status, bytes: &[u8]) {
        let mut header = [0; LONGEST_HEADER];
        let len = write_header(status, bytes.len(), &mut header);
        self.write(&header[..len]);
        self.write(bytes);
    }

    /// Lets the parent read; says whether it still trusts the worker.
    fn read(&self) -> bool {
        let mut state = self.shared.lock();
        let mut links = std::mem::take(&mut state.links);
        for link in &mut links {
            self.shared.read(&mut state, link);
        }
        state.links = links;
        state.links.iter().all(|link| !link.corrupt)
    }

    fn die(&self) -> StateGuard<'_> {
        self.die_of(Exit::Signal(11))
    }

    fn die_of(&self, exit: Exit) -> StateGuard<'_> {
        let mut state = self.shared.lock();
        let end = End {
            exit,
            usage: Usage::default(),
            stderr: String::new(),
            out_of_memory: false,
            reason: None,
        };
        for streams in state.links.iter().flat_map(|link| &link.streams) {
            streams.end();
        }
        self.shared.bury(&mut state, 1, end);
        state
    }
}

fn function_id<F: 'static>(shared: &Shared, _function: F) -> FunctionId {
    shared.table.find::<F>().unwrap()
}

/// What a broken worker might do.
#[derive(Debug, Clone)]
enum Deed {
    Bytes(Vec<u8>),
    Record(u8, Vec<u8>),
    LongHeader(u64),
    Tail(u64),
    TaskHead(u64),
    Started(u64),
    PanicText(u64, Vec<u8>),
    Fault(u64),
    Claim(usize, u64),
    Began(u64),
    WantsRoom(u32),
    Ready(u32, u64),
    Said([u64; 2]),
    Read,
    /// The parent looks at the clock.
    Watch,
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(Deed::Bytes),
        (0..4_u8, prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(s, b)| Deed::Record(s, b)),
        any::<[[u8; 8]; 4]>().prop_map(|words| Deed::Record(3, words.concat())),
        prop::array::uniform2(any::<u64>()).prop_map(Deed::Said),
        (0..1_u64 << 40).prop_map(Deed::LongHeader),
        prop_oneof![any::<u64>(), 0..1_u64 << 21].prop_map(Deed::Tail),
        prop_oneof![any::<u64>(), 0..200_u64].prop_map(Deed::TaskHead),
        any::<u64>().prop_map(Deed::Started),
        (any::<u64>(), any::<Vec<u8>>()).prop_map(|(len, text)| Deed::PanicText(len, text)),
        any::<u64>().prop_map(Deed::Fault),
        (0..64_usize, any::<u64>()).prop_map(|(index, word)| Deed::Claim(index, word)),
        any::<u64>().prop_map(Deed::Began),
        any::<u32>().prop_map(Deed::WantsRoom),
        (any::<u32>(), any::<u64>()).prop_map(|(ready, table)| Deed::Ready(ready, table)),
        Just(Deed::Read),
        Just(Deed::Watch),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_worker_that_writes_anything_loses_its_items_and_no_more(
        deeds in prop::collection::vec(deeds(), 0..20),
        chunks in 0..4_usize,
        timeout in prop_oneof![Just(None), Just(Some(1)), Just(Some(u64::MAX))],
        retries in 0..2_u32,
        killed: bool,
        keeps: bool,
    ) {
        let rules = Rules {
            timeout: timeout.map(Duration::from_nanos),
            retries: Some(retries),
            ..Rules::default()
        };
        let mut stage = Stage::with(chunks, rules, keeps);
        for deed in deeds {
            let words = &stage.worker.worker;
            match deed {
                Deed::Bytes(bytes) => stage.write(&bytes),
                Deed::Record(status, bytes) => {
                    let kinds = [Status::Value, Status::Failed, Status::End, Status::Note];
                    let status = kinds[usize::from(status)];
                    stage.record(status, &bytes);
                }
                Deed::LongHeader(len) => {
                    let mut header = [0; LONGEST_HEADER];
                    let taken = write_header(Status::Value, len as usize, &mut header);
                    stage.write(&header[..taken]);
                }
                Deed::Tail(value) => words.results.0.tail.store(value, Ordering::Release),
                Deed::TaskHead(value) => words.task_head.0.store(value, Ordering::Release),
                Deed::Started(value) => words.started.0.store(value, Ordering::Release),
                Deed::PanicText(len, text) => {
                    stage.worker.last_words().put(&text);
                    words.text_len.store(len, Ordering::Release);
                }
                Deed::Fault(signal) => words.fault.signal.store(signal, Ordering::Release),
                Deed::Claim(index, word) => words.claims[index].store(word, Ordering::Release),
                Deed::Said(positions) => {
                    for (word, position) in words.said.iter().zip(positions) {
                        word.store(position, Ordering::Release);
                    }
                }
                Deed::Began(time) => words.began.store(time, Ordering::Relaxed),
                Deed::WantsRoom(value) => words.sleep.0.wants_room.store(value, Ordering::Relaxed),
                Deed::Ready(ready, table) => {
                    words.fingerprint.store(table, Ordering::Relaxed);
                    words.ready.store(ready, Ordering::Release);
                }
                Deed::Read => {
                    stage.read();
                }
                Deed::Watch => {
                    stage.shared.watch();
                }
            }
        }
        stage.read();
        let state = stage.die_of(if killed { Exit::KILLED } else { Exit::Signal(11) });
        // Every item is accounted for: it has a result, or an error, or is queued or waits to be
        // tried again.
        let waiting = state.delayed.iter().map(|(_, chunk)| chunk);
        let queued: usize = state.queue.iter().chain(waiting).map(|chunk| chunk.count as usize).sum();
        let told: usize = state.calls[stage.call].mail.iter().map(|delivery| match delivery {
            Delivery::Records { count, .. } => *count,
            Delivery::Large { .. } | Delivery::Failed { .. } => 1,
            Delivery::Ended { count, .. } => *count,
            Delivery::Unsaved(_) | Delivery::Returned(_) | Delivery::Aborted(_) => 0,
        }).sum();
        let failed = state.failed.len();
        prop_assert!(keeps || failed == 0);
        prop_assert_eq!(queued + told + failed, 3 * chunks);
        prop_assert_eq!(state.outstanding, state.queue.len() + state.delayed.len() + failed);
        for Failed { item, .. } in &state.failed {
            let value = item.first as u64 % 3;
            prop_assert_eq!(&item.payload.whole()[1..], &value.to_ne_bytes());
        }
        prop_assert!(state.links.is_empty());
    }
}

#[test]
fn results_are_kept_and_only_the_running_item_is_lost() {
    let mut stage = Stage::new(2);
    stage.record(Status::Value, &7_u64.to_ne_bytes());
    stage.worker.worker.started.0.store(2, Ordering::Release);
    let state = stage.die();
    let mail = &state.calls[stage.call].mail;
    assert!(
        matches!(
            mail[0],
            Delivery::Records {
                first: 0,
                count: 1,
                ..
            }
        ),
        "{mail:?}"
    );
    match &mail[1] {
        Delivery::Failed { index, error } => {
            assert_eq!((*index, error.index(), error.signal()), (1, 1, Some(11)));
        }
        other => panic!("{other:?}"),
    }
    let queued: Vec<_> = state
        .queue
        .iter()
        .map(|chunk| (chunk.first, chunk.count))
        .collect();
    assert_eq!(queued, [(2, 1), (3, 3)]);
}

#[test]
fn a_death_between_two_items_costs_none() {
    let mut stage = Stage::new(1);
    stage.record(Status::Value, &7_u64.to_ne_bytes());
    stage.worker.worker.started.0.store(1, Ordering::Release);
    let state = stage.die();
    assert_eq!(state.calls[stage.call].mail.len(), 1);
    assert_eq!((state.queue[0].first, state.queue[0].count), (1, 2));
}

#[test]
fn an_impossible_position_is_noticed() {
    let mut stage = Stage::new(1);
    stage
        .worker
        .worker
        .results
        .0
        .tail
        .store(u64::MAX, Ordering::Release);
    assert!(!stage.read());
    assert_eq!(stage.results.room(), Ok(crate::shm::RING_BYTES));
    let state = stage.die();
    assert!(
        matches!(&state.calls[stage.call].mail[..], [Delivery::Failed { error, .. }] if error.is_crash())
    );
}

#[test]
fn an_end_before_its_time_is_noticed() {
    let mut stage = Stage::new(1);
    stage.record(Status::End, &0_u64.to_ne_bytes());
    assert!(!stage.read());
}

#[test]
fn inputs_of_failed_items_are_kept_with_those_items() {
    let mut stage = Stage::with(2, Rules::default(), true);
    for status in [Status::Value, Status::Failed, Status::Value] {
        stage.record(status, &7_u64.to_ne_bytes());
    }
    stage.record(Status::End, &0_u64.to_ne_bytes());
    for status in [Status::Failed, Status::Failed] {
        stage.record(status, b"");
    }
    stage.worker.worker.started.0.store(6, Ordering::Release);
    let state = stage.die();
    let failed: Vec<_> = state
        .failed
        .iter()
        .map(|Failed { item, .. }| (item.first, item.payload.whole()[1]))
        .collect();
    assert_eq!(failed, [(1, 1), (3, 0), (4, 1), (5, 2)]);
    let mail = &state.calls[stage.call].mail;
    let told = mail.iter().map(|delivery| match delivery {
        Delivery::Records { first, count, .. } => (*first, *count),
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), [(0, 1), (2, 1)]);
    assert_eq!(state.outstanding, 4);
}

//! A storm of signals: what workers run is told or done, right and once, and nothing is left behind.
//!
//! `PARPROC_TEST_STORM=20` sets how many seconds it takes, `PARPROC_TEST_SEED=…` what it does.

use std::collections::BTreeMap;
use std::env;
use std::ffi::CStr;
use std::fs;
use std::hint;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use parproc::{Backoff, Pool, Report, TaskError, parallel};
use parproc_tests::{Process, Tally, leaves_nothing, note};
use rustix::process::Signal;
use rustix::thread::set_name;

const WORKERS: usize = 4;
/// Items for each second of the storm, and in one round.
const ITEMS_A_SECOND: u64 = 10_000;
const ROUND: u64 = 20_000;
/// Far more than an item takes, also on a busy machine: only one that was stopped takes so long.
const LIMIT: Duration = Duration::from_secs(1);
/// Between two signals; varied at random from none to twice as much.
const PAUSE: Duration = Duration::from_millis(10);
/// One of so many signals stops its worker, which is as good as dead for a second or two.
const STOPS: u32 = 60;
/// What a worker calls itself.
const AT_WORK: &CStr = c"storm at work";
/// More than any item needs in such a storm.
const ATTEMPTS: u32 = 20;

/// Notes that it runs, and takes some time.
#[parallel]
fn work(notes: &str, index: u64, data: Vec<u8>) -> Vec<u8> {
    set_name(AT_WORK).unwrap();
    note(notes, index);
    let end = Instant::now() + Duration::from_micros(50);
    let answer = answer(index, data);
    while Instant::now() < end {
        hint::spin_loop();
    }
    answer
}

/// What follows from every byte of the item.
fn answer(index: u64, mut data: Vec<u8>) -> Vec<u8> {
    let sum = data.iter().fold(index, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    data.extend(sum.to_le_bytes());
    data
}

/// Mostly short, now and then too large for the ring's usual way.
fn data(index: u64) -> Vec<u8> {
    let len = if index.is_multiple_of(200) {
        100_000
    } else {
        index % 60
    };
    (0..len).map(|at| (at * index) as u8).collect()
}

/// A setting from the environment.
fn setting<T: FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    let number = value.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name}={value}: it has to be a whole number")))
}

/// Signals by the process that they were sent to.
#[derive(Debug, Default)]
struct Log(Mutex<BTreeMap<u32, Vec<Signal>>>);

impl Log {
    fn note(&self, process: u32, signal: Signal) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.entry(process).or_default().push(signal);
    }

    fn has(&self, process: u32, wanted: impl Fn(Signal) -> bool) -> bool {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let signals = sent.get(&process);
        signals.is_some_and(|signals| signals.iter().any(|signal| wanted(*signal)))
    }

    fn count(&self, wanted: Signal) -> usize {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = sent.values().flatten();
        all.filter(|signal| **signal == wanted).count()
    }
}

/// The processes that threads of this one started and did not reap.
fn workers() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let lists = threads.filter_map(|thread| {
        let children = thread.ok()?.path().join("children");
        fs::read_to_string(children).ok()
    });
    let lists: Vec<_> = lists.collect();
    let ids = lists.iter().flat_map(|ids| ids.split_whitespace());
    ids.map(|id| id.parse().unwrap()).collect()
}

/// True of a worker that has begun an item.
fn has_worked(worker: u32) -> bool {
    let name = fs::read(format!("/proc/{worker}/comm"));
    name.is_ok_and(|name| name.trim_ascii() == AT_WORK.to_bytes())
}

/// Sends signals to workers until `over`.
fn kill(mut random: Rng, log: &Log, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        thread::sleep(PAUSE.mul_f64(2.0 * random.f64()));
        let signal = if random.u32(0..STOPS) == 0 {
            Signal::STOP
        } else if random.bool() {
            Signal::KILL
        } else {
            Signal::SEGV
        };
        let workers = workers();
        let Some(worker) = random.choice(&workers) else {
            continue;
        };
        // Before it is ready a fault is the worker's own fault, of which three are enough for the pool to report
        // them, and one that is stopped is given up only after a minute.
        if signal != Signal::KILL && !has_worked(*worker) {
            continue;
        }
        // One that stands still is left to its time limit.
        if log.has(*worker, |signal| signal == Signal::STOP) {
            continue;
        }
        if let Some(worker) = Process::child(*worker) {
            // Before it is sent: its effect may be told at once.
            log.note(worker.id, signal);
            // If it has ended already, so be it.
            let _ = worker.try_signal(signal);
        }
    }
}

/// What became of the items.
#[derive(Debug, Default)]
struct Outcomes {
    rounds: usize,
    items: u64,
    good: u64,
    killed: u64,
    faulted: u64,
    late: u64,
    /// Tried more than once.
    retried: u64,
}

impl Outcomes {
    /// Checks what came of one item.
    fn add(&mut self, index: u64, report: &Report<Vec<u8>>, runs: usize, log: &Log) {
        self.items += 1;
        let good = usize::from(report.result.is_ok());
        assert!(
            runs >= good && runs <= report.attempts as usize,
            "item {index} ran {runs} times"
        );
        assert_eq!(
            report.index as u64,
            index % ROUND,
            "each item once, in order"
        );
        self.retried += u64::from(report.attempts > 1);
        match &report.result {
            Ok(result) => {
                let right = answer(index, data(index));
                assert!(*result == right, "item {index} has a wrong result");
                self.good += 1;
            }
            Err(error) => self.add_error(error, log),
        }
    }

    /// An item is told as lost only because of a signal that its worker was sent.
    fn add_error(&mut self, error: &TaskError, log: &Log) {
        let worker = error.pid().expect("a worker ran it");
        if error.is_timeout() {
            assert!(log.has(worker, |signal| signal == Signal::STOP), "{error}");
            assert_eq!(error.time_limit(), Some(LIMIT));
            self.late += 1;
            return;
        }
        assert!(error.is_crash(), "{error}");
        let signal = error.signal().expect("a signal");
        assert!(log.has(worker, |sent| sent.as_raw() == signal), "{error}");
        match Signal::from_named_raw(signal) {
            Some(Signal::KILL) => self.killed += 1,
            Some(Signal::SEGV) => self.faulted += 1,
            _ => panic!("{error}"),
        }
    }

    fn told(&self) -> u64 {
        self.killed + self.faulted + self.late
    }
}

/// Rounds of items for so long; in every other one the items that were lost are tried again.
fn rounds(time: Duration, log: &Log) -> Outcomes {
    let pool = Pool::builder().workers(WORKERS).timeout(LIMIT);
    let pool = pool.build().unwrap();
    let mut outcomes = Outcomes::default();
    let begin = Instant::now();
    let wanted = ITEMS_A_SECOND * time.as_secs();
    while begin.elapsed() < time || outcomes.items < wanted {
        let first = outcomes.items;
        let tries = outcomes.rounds % 2 == 1;
        let mut job = pool.job(work);
        if tries {
            job = job.retries(ATTEMPTS - 1).backoff(Backoff::none());
        }
        let told = outcomes.told();
        let notes = Tally::new();
        let items = (first..first + ROUND).map(|index| (notes.path(), index, data(index)));
        let reports = job.reports(items).unwrap();
        assert_eq!(reports.len() as u64, ROUND);
        let runs = notes.counts();
        for (index, report) in (first..).zip(&reports) {
            assert!(tries || report.attempts == 1);
            let runs = runs.get(&index.to_string()).copied().unwrap_or(0);
            outcomes.add(index, report, runs, log);
        }
        assert!(
            !tries || outcomes.told() == told,
            "one of {ATTEMPTS} attempts"
        );
        outcomes.rounds += 1;
    }
    outcomes
}

#[test]
fn items_in_a_storm_of_signals_are_done_or_told() {
    leaves_nothing("items_in_a_storm_of_signals_are_done_or_told", || {
        let time = Duration::from_secs(setting("PARPROC_TEST_STORM").unwrap_or(5));
        let seed = setting("PARPROC_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
        println!(
            "PARPROC_TEST_STORM={} PARPROC_TEST_SEED={seed}",
            time.as_secs()
        );
        let (log, over) = (Log::default(), AtomicBool::new(false));
        let begin = Instant::now();
        let outcomes = thread::scope(|scope| {
            let killer = scope.spawn(|| kill(Rng::with_seed(seed), &log, &over));
            // Also when it panics: the killer is waited for.
            let outcomes = std::panic::catch_unwind(|| rounds(time, &log));
            over.store(true, Ordering::Relaxed);
            killer.join().unwrap();
            outcomes
        });
        let outcomes = outcomes.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let [killed, faulted, stopped] =
            [Signal::KILL, Signal::SEGV, Signal::STOP].map(|signal| log.count(signal) as u64);
        println!("{outcomes:?} in {:?}", begin.elapsed());
        println!("signals: {killed} SIGKILL, {faulted} SIGSEGV, {stopped} SIGSTOP");
        assert_eq!(outcomes.good + outcomes.told(), outcomes.items);
        assert!(
            outcomes.killed <= killed && outcomes.faulted <= faulted && outcomes.late <= stopped
        );
        assert!(outcomes.killed > 0 && outcomes.faulted > 0 && outcomes.retried > 0);
    });
}

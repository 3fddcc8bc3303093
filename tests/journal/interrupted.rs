//! A program that is killed again and again comes to its end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use parproc::{parallel, task};
use parproc_tests::{
    LIMIT, Meeting, Process, Tally, meet, note, pool, program, role, settled, succeeds, within,
};

use super::Place;

const ITEMS: u64 = 600;

/// Each third attempt at all ends the worker.
#[parallel]
fn work(tally: &str, x: u64) -> (u64, u64) {
    note(tally, x);
    if x % 10 == 3 && task::attempt() == Some(1) {
        std::process::abort();
    }
    thread::sleep(std::time::Duration::from_millis(1));
    (x * x, task::seed())
}

/// The indexes of the whole records of a journal, as its layout is documented.
fn recorded(journal: &Path) -> BTreeSet<u64> {
    let bytes = fs::read(journal).unwrap_or_default();
    let number = |at: usize, len: usize| {
        let bytes = bytes.get(at..at + len)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    };
    let mut at = 24 + number(12, 4).unwrap_or(0) as usize;
    let mut indexes = BTreeSet::new();
    while let (Some(len), Some(index)) = (number(at, 8), number(at + 8, 8)) {
        at += 40 + len as usize + 4;
        if at <= bytes.len() {
            indexes.insert(index);
        }
    }
    indexes
}

fn seen(tally: &Tally) -> BTreeSet<(u64, usize)> {
    let counts = tally.counts().into_iter();
    counts
        .map(|(x, count)| (x.parse().unwrap(), count))
        .collect()
}

#[test]
fn a_program_killed_again_and_again_comes_to_its_end() {
    const TEST: &str = "interrupted::a_program_killed_again_and_again_comes_to_its_end";
    if let Some(role) = role() {
        let (journal, tally) = role.split_once('|').unwrap();
        let items = (0..ITEMS).map(|x| (tally, x));
        let results = pool(2)
            .job(work)
            .retries(1)
            .journal(journal)
            .map(items)
            .unwrap();
        for (square, seed) in results {
            println!("{square} {seed}");
        }
        return;
    }
    within(std::time::Duration::from_secs(120), || {
        let place = Place::new();
        let journal = place.path("j");
        let role = format!("{}|{}", journal.display(), place.tally.path());
        let mut kept = BTreeSet::new();
        let mut before = BTreeSet::new();
        for wanted in [0, 1, 50, 51, 200, 400, 590] {
            let mut child = program(TEST, &role).stdout(Stdio::null()).spawn().unwrap();
            let process = Process::child(child.id()).unwrap();
            // Whatever it does then.
            while recorded(&journal).len() < wanted {
                thread::yield_now();
            }
            let _ = process.try_signal(rustix::process::Signal::KILL);
            child.wait().unwrap();
            let now = recorded(&journal);
            assert!(kept.is_subset(&now), "a result was lost");
            check(&place.tally, &kept, &before);
            before = seen(&place.tally);
            kept = now;
        }
        let said = succeeds(&mut program(TEST, &role));
        check(&place.tally, &kept, &before);
        let lines = |said: &str| -> Vec<String> {
            let lines = said
                .lines()
                .filter(|line| line.contains(' ') && line.as_bytes()[0].is_ascii_digit());
            lines.map(str::to_owned).collect()
        };
        let found = lines(&said);
        let squares = found
            .iter()
            .map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap());
        assert!(squares.eq((0..ITEMS).map(|x| x * x)), "{said}");
        // All seeds follow from one.
        assert_eq!(recorded(&journal), (0..ITEMS).collect());
        let total = place.tally.total();
        assert_eq!(lines(&succeeds(&mut program(TEST, &role))), found);
        assert_eq!(place.tally.total(), total, "nothing is left to be run");
    });
}

/// Waits at the meeting if it is the last one.
#[parallel]
fn last_waits(meeting: &str, x: u64) -> u64 {
    if x == 9 {
        meet(meeting, x);
    }
    x
}

#[test]
fn results_are_there_before_the_end_of_their_chunk() {
    within(LIMIT, || {
        let place = Place::new();
        let journal = place.path("j");
        let meeting = Meeting::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let pool = pool(1);
                let job = pool.job(last_waits).chunk_size(10).journal(&journal);
                job.for_each((0..10).map(|x| (meeting.name(), x))).unwrap();
            });
            let guest = meeting.wait();
            let expected = (0..9).collect();
            assert_eq!(settled(&expected, || recorded(&journal)), expected);
            drop(guest);
        });
        assert_eq!(recorded(&journal), (0..10).collect());
    });
}

/// No item was run again that was `kept`, since it was seen `before`.
fn check(tally: &Tally, kept: &BTreeSet<u64>, before: &BTreeSet<(u64, usize)>) {
    let now = seen(tally);
    for (x, count) in before.iter().filter(|(x, _)| kept.contains(x)) {
        assert!(now.contains(&(*x, *count)), "{x} was run again");
    }
}

//! A chunk that is cut while it runs: each of its items has one owner, at whatever moment that happens.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicU64;

use super::simulated::{LoomWord, check};
use crate::shm::begun::CUT;
use crate::shm::{Corrupt, Word, begin, begun, cut};

/// Two chunks of a worker's, and who has run which item.
struct Stage {
    word: LoomWord,
    runs: [AtomicU64; 4],
}

impl Stage {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            word: LoomWord::new(),
            runs: Default::default(),
        })
    }

    fn run(&self, item: u64) {
        self.runs[item as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Runs the items of the first chunk, and gives how many it had begun at the end.
    fn divisible(&self, items: u64) -> u64 {
        for item in 0..items {
            if !begin(&self.word, item + 1).unwrap() {
                return item;
            }
            self.run(item);
        }
        items
    }

    fn each_ran_once(&self, items: usize) {
        for count in &self.runs[..items] {
            assert_eq!(count.load(Ordering::Relaxed), 1);
        }
    }
}

#[test]
fn an_item_is_begun_or_taken_back_but_never_both() {
    check(3, || {
        let stage = Stage::new();
        let worker = loom::thread::spawn({
            let stage = Rc::clone(&stage);
            move || stage.divisible(3)
        });
        let kept = cut(&stage.word, 0..3);
        for item in kept.unwrap_or(3)..3 {
            stage.run(item);
        }
        assert_eq!(worker.join().unwrap(), kept.unwrap_or(3));
        stage.each_ran_once(3);
        assert_eq!(
            stage.word.load(Ordering::Relaxed),
            kept.unwrap_or(3),
            "the cut is gone with the chunk"
        );
    });
}

#[test]
fn a_cut_never_reaches_the_next_chunk() {
    check(3, || {
        let stage = Stage::new();
        let worker = loom::thread::spawn({
            let stage = Rc::clone(&stage);
            move || {
                let kept = stage.divisible(2);
                // Another one, whose items are merely counted.
                for number in kept + 1..=kept + 2 {
                    stage.word.store(number, Ordering::Release);
                }
                kept
            }
        });
        let kept = cut(&stage.word, 0..2);
        for item in kept.unwrap_or(2)..2 {
            stage.run(item);
        }
        assert_eq!(worker.join().unwrap(), kept.unwrap_or(2));
        stage.each_ran_once(2);
        assert_eq!(
            stage.word.load(Ordering::Relaxed),
            kept.unwrap_or(2) + 2,
            "no item was lost, and no bit is left"
        );
    });
}

#[test]
fn what_the_worker_did_before_it_began_an_item_is_seen_with_the_cut() {
    check(3, || {
        let stage = Stage::new();
        let note = Rc::new(loom::cell::Cell::new(0_u64));
        let worker = loom::thread::spawn({
            let (stage, note) = (Rc::clone(&stage), Rc::clone(&note));
            move || {
                note.set(1);
                begin(&stage.word, 1).unwrap()
            }
        });
        if cut(&stage.word, 1..2).is_some() {
            assert_eq!(note.get(), 1);
        }
        assert!(worker.join().unwrap());
    });
}

#[test]
fn a_chunk_is_cut_only_where_it_stands() {
    for number in [0, 4, 8, 9, u64::MAX, CUT | 5] {
        let word = Cell::new(number);
        assert_eq!(cut(&word, 5..8), None);
        assert_eq!(word.get(), number);
    }
    let word = Cell::new(5);
    assert_eq!(cut(&word, 5..8), Some(5));
    assert_eq!(begun(&word, Ordering::Acquire), 5);
    assert_eq!(cut(&word, 5..8), None, "once");
}

#[test]
fn a_number_that_a_task_overwrote_is_noticed() {
    let begin = |word| begin(&Cell::new(word), 6);
    assert_eq!(begin(5), Ok(true));
    assert_eq!(begin(5 | CUT), Ok(false));
    for word in [0, 4, 6, 6 | CUT, u64::MAX] {
        assert_eq!(begin(word), Err(Corrupt));
    }
}

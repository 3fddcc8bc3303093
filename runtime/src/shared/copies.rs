//! How a value that is kept twice is read and written; no memory, so that a model checker can supply it.
//!
//! There are two copies and a count of the writes, whose lowest bit says which of them is current. Who
//! writes has a lock, fills the other copy and counts up; that is the moment at which the value
//! changes. So a writer that is killed has changed nothing, or all of it.
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `writes` | who has the lock, after the copy that becomes current (release) | anybody, before the current copy (acquire) and after it |
//! | the current copy | nobody | anybody, word by word |
//! | the other copy | who has the lock | nobody, but late readers that find `writes` changed and try again |
//!
//! A reader that has seen a word of a later write sees at least the count before that write: the writer's
//! fence stands between its load of the count and its words, the reader's between the words and its second look.

use std::sync::atomic::Ordering;

/// The memory of a value.
pub(super) trait Copies {
    /// How many words a copy has.
    fn words(&self) -> usize;
    fn load_writes(&self, order: Ordering) -> u64;
    fn store_writes(&self, writes: u64, order: Ordering);
    /// Relaxed; `copy` is 0 or 1.
    fn load_word(&self, copy: usize, index: usize) -> u64;
    /// Relaxed.
    fn store_word(&self, copy: usize, index: usize, value: u64);
    fn fence(&self, order: Ordering);
}

fn copy_after(writes: u64) -> usize {
    (writes & 1) as usize
}

/// Reads the words of the current copy; false if they may be those of two values.
#[inline]
pub(super) fn read(copies: &impl Copies, mut word: impl FnMut(u64)) -> bool {
    let writes = copies.load_writes(Ordering::Acquire);
    for index in 0..copies.words() {
        word(copies.load_word(copy_after(writes), index));
    }
    copies.fence(Ordering::Acquire);
    copies.load_writes(Ordering::Relaxed) == writes
}

/// Writes the words of the next value, for who has the lock.
#[inline]
pub(super) fn write(copies: &impl Copies, mut word: impl FnMut() -> u64) {
    let writes = copies.load_writes(Ordering::Relaxed);
    copies.fence(Ordering::Release);
    for index in 0..copies.words() {
        copies.store_word(copy_after(writes.wrapping_add(1)), index, word());
    }
    copies.store_writes(writes.wrapping_add(1), Ordering::Release);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use loom::sync::atomic::{AtomicU64, fence};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;

    struct Model {
        writes: AtomicU64,
        copies: [[AtomicU64; 2]; 2],
        lock: Mutex<()>,
        /// Words after which a writer is killed.
        killed_after: Option<usize>,
    }

    impl Model {
        fn new(killed_after: Option<usize>) -> Arc<Self> {
            Arc::new(Self {
                writes: AtomicU64::new(0),
                copies: [(); 2].map(|()| [(); 2].map(|()| AtomicU64::new(0))),
                lock: Mutex::new(()),
                killed_after,
            })
        }

        fn put(&self, value: u64) {
            let _held = self.lock.lock().unwrap();
            write(self, || value);
        }

        /// What a writer leaves that is killed in the middle: its words up to there, and no lock.
        fn put_half(&self, value: u64) {
            let _held = self.lock.lock().unwrap();
            let writes = self.load_writes(Ordering::Relaxed);
            self.fence(Ordering::Release);
            for index in 0..self.killed_after.unwrap_or(0) {
                self.store_word(copy_after(writes.wrapping_add(1)), index, value);
            }
        }

        fn get(&self) -> Option<u64> {
            let mut words = Vec::new();
            let whole = read(self, |word| words.push(word));
            whole.then(|| {
                assert_eq!(words[0], words[1], "a mixture");
                words[0]
            })
        }
    }

    impl Copies for Model {
        fn words(&self) -> usize {
            2
        }

        fn load_writes(&self, order: Ordering) -> u64 {
            self.writes.load(order)
        }

        fn store_writes(&self, writes: u64, order: Ordering) {
            self.writes.store(writes, order);
        }

        fn load_word(&self, copy: usize, index: usize) -> u64 {
            self.copies[copy][index].load(Ordering::Relaxed)
        }

        fn store_word(&self, copy: usize, index: usize, value: u64) {
            self.copies[copy][index].store(value, Ordering::Relaxed);
        }

        fn fence(&self, order: Ordering) {
            fence(order);
        }
    }

    /// Two writes: the second one overwrites what a reader may be reading.
    #[test]
    fn a_reader_sees_a_whole_value_while_others_are_written() {
        loom::model(|| {
            let model = Model::new(None);
            let writer = thread::spawn({
                let model = Arc::clone(&model);
                move || (1..=2).for_each(|value| model.put(value))
            });
            assert!(model.get().is_none_or(|value| value <= 2));
            writer.join().unwrap();
            assert_eq!(model.get(), Some(2));
        });
    }

    #[test]
    fn a_writer_that_is_killed_changes_nothing() {
        for words in 0..=2 {
            loom::model(move || {
                let model = Model::new(Some(words));
                model.put(1);
                let writers = thread::spawn({
                    let model = Arc::clone(&model);
                    move || {
                        model.put_half(2);
                        model.put(3);
                    }
                });
                assert!(matches!(model.get(), None | Some(1 | 3)));
                writers.join().unwrap();
                assert_eq!(model.get(), Some(3));
            });
        }
    }
}

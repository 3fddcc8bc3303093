//! A model of the lock in which threads are killed between any two steps.
//!
//! Each step is one access to the word, one change of what the kernel sees, or one system call. Nobody
//! looks at the clock: what goes on must go on without.

use super::super::protocol::{OWNER_DIED, Step, TID, WAITERS, freed, next};
use super::explore::{Model, explore};

/// Where a thread is: what it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Begin,
    Try,
    Look {
        slept: bool,
    },
    Swap {
        from: u32,
        to: u32,
        slept: bool,
        died: Option<bool>,
    },
    Wait {
        word: u32,
    },
    /// In the kernel's queue; others wake it.
    Asleep,
    Link,
    EndTaking,
    /// Has the lock, and uses what it protects.
    Inside,
    BeginFreeing,
    Unlink,
    Free,
    Wake,
    Clear,
    WakeAgain,
    EndFreeing,
    Done,
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Thread {
    at: At,
    pending: bool,
    linked: bool,
    /// It has the lock.
    has: bool,
    rounds: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lock {
    word: u32,
    threads: Vec<Thread>,
    /// Who sleeps, in the order in which they are woken.
    queue: Vec<usize>,
    /// How many threads may still be killed.
    kills: u8,
    /// One was killed that had the lock, and nobody was told yet.
    untold: bool,
}

impl Lock {
    fn new(threads: usize, rounds: u8, kills: u8) -> Self {
        let thread = Thread {
            at: At::Begin,
            pending: false,
            linked: false,
            has: false,
            rounds,
        };
        Self {
            word: 0,
            threads: vec![thread; threads],
            queue: Vec::new(),
            kills,
            untold: false,
        }
    }

    fn tid(index: usize) -> u32 {
        index as u32 + 1
    }

    fn wake_one(&mut self) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let woken = self.queue.remove(0);
        self.threads[woken].at = At::Look { slept: true };
        true
    }

    fn take(&mut self, index: usize, died: bool) {
        assert_eq!(
            died, self.untold,
            "told of a death exactly when there was one"
        );
        self.untold = false;
        self.threads[index].has = true;
        self.threads[index].at = At::Link;
    }

    fn step(&mut self, index: usize) {
        let tid = Self::tid(index);
        let word = self.word;
        let thread = &mut self.threads[index];
        match thread.at {
            At::Begin => {
                thread.pending = true;
                thread.at = At::Try;
            }
            At::Try if word == 0 => {
                self.word = tid;
                self.take(index, false);
            }
            At::Try => thread.at = At::Look { slept: false },
            At::Look { slept } => {
                let swap = |to, died| At::Swap {
                    from: word,
                    to,
                    slept,
                    died,
                };
                thread.at = match next(word, tid, slept) {
                    Step::Take { word, died } => swap(word, Some(died)),
                    Step::Announce { word } => swap(word, None),
                    Step::Sleep => At::Wait { word },
                    Step::Deadlock => panic!("it has not got the lock"),
                };
            }
            At::Swap {
                from,
                to,
                slept,
                died,
            } => {
                thread.at = At::Look { slept };
                if word == from {
                    self.word = to;
                    if let Some(died) = died {
                        self.take(index, died);
                    }
                }
            }
            At::Wait { word: expected } if word == expected => {
                thread.at = At::Asleep;
                self.queue.push(index);
            }
            At::Wait { .. } => thread.at = At::Look { slept: true },
            At::Link => {
                thread.linked = true;
                thread.at = At::EndTaking;
            }
            At::EndTaking => {
                thread.pending = false;
                thread.at = At::Inside;
            }
            At::Inside => thread.at = At::BeginFreeing,
            At::BeginFreeing => {
                thread.pending = true;
                thread.at = At::Unlink;
            }
            At::Unlink => {
                thread.linked = false;
                thread.at = At::Free;
            }
            At::Free => {
                // The load and the swap of the slow way count as one: who comes in between only sets
                // `WAITERS`, and then the swap is tried again.
                self.word = freed(word, tid).expect("it has the lock");
                thread.has = false;
                thread.at = if self.word == 0 {
                    At::EndFreeing
                } else {
                    At::Wake
                };
            }
            At::Wake => {
                let woken = self.wake_one();
                self.threads[index].at = if woken { At::EndFreeing } else { At::Clear };
            }
            At::Clear => {
                thread.at = At::EndFreeing;
                if word == WAITERS {
                    thread.at = At::WakeAgain;
                    self.word = 0;
                }
            }
            At::WakeAgain => {
                thread.at = At::EndFreeing;
                self.wake_one();
            }
            At::EndFreeing => {
                thread.pending = false;
                thread.rounds -= 1;
                thread.at = if thread.rounds == 0 {
                    At::Done
                } else {
                    At::Begin
                };
            }
            At::Asleep | At::Done | At::Dead => unreachable!("it makes no step"),
        }
    }

    /// What the kernel does when a thread ends.
    fn kill(&mut self, index: usize) {
        self.queue.retain(|one| *one != index);
        let thread = &mut self.threads[index];
        let (pending, linked) = (thread.pending, thread.linked);
        self.untold |= thread.has;
        thread.has = false;
        thread.at = At::Dead;
        if !pending && !linked {
            return;
        }
        let owner = self.word & TID;
        if owner == Self::tid(index) {
            let waiters = self.word & WAITERS;
            self.word = OWNER_DIED | waiters;
            if waiters != 0 {
                self.wake_one();
            }
        } else if pending && owner == 0 {
            self.wake_one();
        }
    }
}

impl Model for Lock {
    fn steps(&self) -> Vec<Self> {
        let mut steps = Vec::new();
        for (index, thread) in self.threads.iter().enumerate() {
            if matches!(thread.at, At::Done | At::Dead) {
                continue;
            }
            if thread.at != At::Asleep {
                let mut next = self.clone();
                next.step(index);
                steps.push(next);
            }
            // A death is no way out for those who are stuck.
            if self.kills > 0 {
                let mut next = self.clone();
                next.kills -= 1;
                next.kill(index);
                steps.push(next);
            }
        }
        let someone_runs = self
            .threads
            .iter()
            .any(|thread| !matches!(thread.at, At::Asleep | At::Done | At::Dead));
        if someone_runs { steps } else { Vec::new() }
    }

    fn is_done(&self) -> bool {
        self.threads
            .iter()
            .all(|thread| matches!(thread.at, At::Done | At::Dead))
    }

    fn check(&self) {
        let holders = self.threads.iter().filter(|thread| thread.has).count();
        assert!(holders <= 1, "{self:#?}");
    }
}

#[test]
fn nobody_shares_the_lock_or_waits_for_ever() {
    let states = explore(Lock::new(3, 2, 0));
    assert!(states > 1000, "only {states} states");
}

#[test]
fn nobody_waits_for_one_that_was_killed() {
    let states = explore(Lock::new(3, 1, 3)) + explore(Lock::new(2, 2, 2));
    assert!(states > 1000, "only {states} states");
}

#[test]
fn a_wake_up_is_not_lost_with_one_that_was_killed() {
    let states = explore(Lock::new(4, 1, 1));
    assert!(states > 1000, "only {states} states");
}

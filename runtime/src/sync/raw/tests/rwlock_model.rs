//! A model of the lock for readers and writers, in which any of them is killed between two steps.
//!
//! The lock inside is taken as it is proven to be: one has it, it goes on when its holder dies, and the
//! next one is told. All accesses are sequentially consistent.

use super::explore::{Model, explore};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    /// A reader: counts itself in, looks at the flag, is in, counts itself out, looks whether a writer
    /// waits, and wakes it.
    CountIn,
    LookAtFlag,
    LookInside,
    CountInside,
    Reads,
    CountOut {
        again: bool,
    },
    LookForWriter {
        again: bool,
    },
    WakeWriter {
        again: bool,
    },
    /// Behind a writer, with the lock.
    LockToRead,
    HealToRead,
    CountInLocked,
    UnlockToRead,
    /// A writer.
    LockToWrite,
    Heal,
    RaiseFlag,
    ReadDrain,
    LookAtCounts {
        drain: u8,
        deaths: u8,
    },
    Sleep {
        drain: u8,
        deaths: u8,
    },
    Enter,
    Writes,
    LowerFlag,
    Unlock,
    Done,
    Dead,
}

const DOWN: u8 = 0;
const DRAINING: u8 = 1;
const WRITING: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lock {
    threads: Vec<At>,
    counts: Vec<u8>,
    flag: u8,
    drain: u8,
    deaths: u8,
    holder: Option<usize>,
    holder_died: bool,
    poisoned: bool,
    /// A writer was killed with the data.
    broken: bool,
    kills: u8,
    /// The readers are threads of one process: all of them stay inside.
    family: bool,
    inside: u8,
}

impl Lock {
    fn new(readers: usize, writers: usize, kills: u8) -> Self {
        let readers = std::iter::repeat_n(At::CountIn, readers);
        let threads: Vec<_> = readers
            .chain(std::iter::repeat_n(At::LockToWrite, writers))
            .collect();
        Self {
            counts: vec![0; threads.len()],
            threads,
            flag: DOWN,
            drain: 0,
            deaths: 0,
            holder: None,
            holder_died: false,
            poisoned: false,
            broken: false,
            kills,
            family: false,
            inside: 0,
        }
    }

    fn with_readers_of_one_process(mut self) -> Self {
        self.family = true;
        self
    }

    fn can_step(&self, index: usize) -> bool {
        match self.threads[index] {
            At::LockToRead | At::LockToWrite => self.holder.is_none(),
            At::Sleep { drain, deaths } => drain != self.drain || deaths != self.deaths,
            At::Done | At::Dead => false,
            _ => true,
        }
    }

    /// What a dead writer left is cleared away.
    fn heal(&mut self) {
        if std::mem::take(&mut self.holder_died) {
            self.poisoned |= self.flag == WRITING;
            self.flag = DOWN;
        }
    }

    fn step(&mut self, index: usize) {
        self.threads[index] = match self.threads[index] {
            At::CountIn => {
                self.counts[index] += 1;
                At::LookAtFlag
            }
            At::LookAtFlag if self.flag == DOWN => At::CountInside,
            At::LookAtFlag if self.flag == DRAINING && self.family => At::LookInside,
            At::LookAtFlag => At::CountOut { again: true },
            At::LookInside if self.inside > 0 => At::CountInside,
            At::LookInside => At::CountOut { again: true },
            At::CountInside => {
                self.inside += 1;
                At::Reads
            }
            At::Reads => {
                self.inside -= 1;
                At::CountOut { again: false }
            }
            At::CountOut { again } => {
                self.counts[index] -= 1;
                At::LookForWriter { again }
            }
            At::LookForWriter { again } if self.flag != DOWN => At::WakeWriter { again },
            At::LookForWriter { again: true } => At::LockToRead,
            At::LookForWriter { again: false } => At::Done,
            At::WakeWriter { again } => {
                self.drain += 1;
                if again { At::LockToRead } else { At::Done }
            }
            At::LockToRead => {
                self.holder = Some(index);
                At::HealToRead
            }
            At::HealToRead => {
                self.heal();
                At::CountInLocked
            }
            At::CountInLocked => {
                self.counts[index] += 1;
                At::UnlockToRead
            }
            At::UnlockToRead => {
                self.holder = None;
                At::CountInside
            }
            At::LockToWrite => {
                self.holder = Some(index);
                At::Heal
            }
            At::Heal => {
                self.heal();
                At::RaiseFlag
            }
            At::RaiseFlag => {
                self.flag = DRAINING;
                At::ReadDrain
            }
            At::ReadDrain => At::LookAtCounts {
                drain: self.drain,
                deaths: self.deaths,
            },
            At::LookAtCounts { drain, deaths } => {
                let living = |index: usize| self.threads[index] != At::Dead;
                let used = (0..self.counts.len()).any(|i| living(i) && self.counts[i] > 0);
                if used {
                    At::Sleep { drain, deaths }
                } else {
                    At::Enter
                }
            }
            At::Sleep { .. } => At::ReadDrain,
            At::Enter => {
                self.flag = WRITING;
                At::Writes
            }
            At::Writes => At::LowerFlag,
            At::LowerFlag => {
                self.flag = DOWN;
                At::Unlock
            }
            At::Unlock => {
                self.holder = None;
                At::Done
            }
            At::Done | At::Dead => unreachable!("it makes no step"),
        };
    }

    fn kill(&mut self, index: usize) {
        self.broken |= self.threads[index] == At::Writes;
        if self.holder == Some(index) {
            self.holder = None;
            self.holder_died = true;
        }
        self.threads[index] = At::Dead;
        self.deaths += 1;
    }
}

impl Model for Lock {
    fn steps(&self) -> Vec<Self> {
        let all = 0..self.threads.len();
        if !all.clone().any(|index| self.can_step(index)) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        for index in all {
            if self.can_step(index) {
                let mut next = self.clone();
                next.step(index);
                steps.push(next);
            }
            if self.kills > 0 && !matches!(self.threads[index], At::Done | At::Dead) {
                let mut next = self.clone();
                next.kills -= 1;
                next.kill(index);
                steps.push(next);
            }
        }
        steps
    }

    fn is_done(&self) -> bool {
        let ended = |at: &At| matches!(at, At::Done | At::Dead);
        self.threads.iter().all(ended)
    }

    fn check(&self) {
        let count = |at: At| self.threads.iter().filter(|one| **one == at).count();
        let (reads, writes) = (count(At::Reads), count(At::Writes));
        assert!(writes == 0 || writes == 1 && reads == 0, "{self:#?}");
        // Whoever is in after a writer was killed with the data was told.
        assert!(
            !self.broken || self.poisoned || reads + writes == 0,
            "{self:#?}"
        );
    }
}

#[test]
fn nobody_reads_while_one_writes_and_nobody_waits_for_ever() {
    let states = explore(Lock::new(2, 1, 0)) + explore(Lock::new(1, 2, 0));
    assert!(states > 300, "only {states} states");
}

#[test]
fn readers_of_a_process_that_is_inside_pass_a_writer_that_waits_and_no_other() {
    let one_process =
        |readers, writers| Lock::new(readers, writers, 0).with_readers_of_one_process();
    let states =
        explore(one_process(2, 1)) + explore(one_process(3, 1)) + explore(one_process(2, 2));
    assert!(states > 300, "only {states} states");
}

#[test]
fn nobody_waits_for_a_reader_or_writer_that_was_killed() {
    let states =
        explore(Lock::new(2, 1, 2)) + explore(Lock::new(1, 2, 2)) + explore(Lock::new(2, 2, 1));
    assert!(states > 1000, "only {states} states");
}

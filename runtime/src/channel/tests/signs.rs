//! Every order of what tellers, takers and sleepers do to a sign, and every point at which they are killed.

use std::cell::Cell;
use std::collections::HashSet;

use crate::channel::signs::{Sign, ask, tell};

/// More things than these at once are no other case.
const MOST: u8 = 2;

/// What sleepers may be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sleeper {
    /// Looks next; `true` when it comes from a sleep.
    Looks(bool),
    Sleeps,
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    /// Messages, say.
    things: u8,
    wanted: bool,
    audible: bool,
    sleepers: [Sleeper; 3],
}

/// A sign of which the holder of the lock is killed after some steps.
struct Mortal {
    wanted: Cell<bool>,
    audible: Cell<bool>,
    steps: Cell<u8>,
}

impl Mortal {
    /// True if the step is taken.
    fn step(&self) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        left > 0
    }

    fn is_alive(&self) -> bool {
        self.steps.get() > 0
    }
}

impl Sign for Mortal {
    fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    fn set_wanted(&self, wanted: bool) {
        if self.step() {
            self.wanted.set(wanted);
        }
    }

    fn ring(&self) {
        if self.step() {
            self.audible.set(true);
        }
    }

    fn lower(&self) {
        if self.step() {
            self.audible.set(false);
        }
    }
}

impl State {
    /// Does something to the sign as somebody who is killed after `steps`; says whether that was not the
    /// case.
    fn with(mut self, steps: u8, action: impl FnOnce(&Mortal)) -> (Self, bool) {
        let sign = Mortal {
            wanted: Cell::new(self.wanted),
            audible: Cell::new(self.audible),
            steps: Cell::new(steps),
        };
        action(&sign);
        self.wanted = sign.wanted.get();
        self.audible = sign.audible.get();
        (self, sign.is_alive())
    }

    /// All states that can be next.
    fn next(self) -> Vec<Self> {
        let mut next = Vec::new();
        for steps in 0..=3 {
            let (mut told, alive) = self.with(steps, tell);
            if alive && told.things < MOST {
                told.things += 1;
            }
            next.push(told);
        }
        if self.things > 0 {
            // Who takes needs no sleep, and may be anybody.
            next.push(State {
                things: self.things - 1,
                ..self
            });
        }
        for (index, sleeper) in self.sleepers.into_iter().enumerate() {
            let with = |mut state: Self, sleeper| {
                state.sleepers[index] = sleeper;
                state
            };
            if sleeper != Sleeper::Killed {
                next.push(with(self, Sleeper::Killed));
            }
            match sleeper {
                Sleeper::Killed => {}
                Sleeper::Sleeps if !self.audible => {}
                Sleeper::Sleeps => next.push(with(self, Sleeper::Looks(true))),
                Sleeper::Looks(_) if self.things > 0 => next.push(State {
                    things: self.things - 1,
                    ..with(self, Sleeper::Looks(false))
                }),
                Sleeper::Looks(woken) => {
                    for steps in 0..=3 {
                        let (asked, alive) = self.with(steps, |sign| ask(sign, woken));
                        let after = if alive {
                            Sleeper::Sleeps
                        } else {
                            Sleeper::Killed
                        };
                        next.push(with(asked, after));
                    }
                }
            }
        }
        next
    }

    /// Nobody sleeps beside something that is there, unless the bell is about to wake it.
    fn check(&self) {
        let asleep = self.sleepers.contains(&Sleeper::Sleeps);
        assert!(
            self.things == 0 || !asleep || self.audible,
            "asleep for ever: {self:?}"
        );
    }
}

#[test]
fn nobody_sleeps_through_news_whoever_is_killed() {
    let start = State {
        things: 0,
        wanted: false,
        audible: false,
        sleepers: [Sleeper::Looks(false); 3],
    };
    let (mut seen, mut left) = (HashSet::from([start]), vec![start]);
    while let Some(state) = left.pop() {
        state.check();
        left.extend(state.next().into_iter().filter(|next| seen.insert(*next)));
    }
    assert!(seen.len() > 100, "only {} states", seen.len());
}

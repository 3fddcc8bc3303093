//! Sleeping until another process has something to say, without ever missing it.
//!
//! One sleeper, any number of ringers, two words:
//!
//! 1. `asleep` is stored by the sleeper only. It counts sleeps: odd while the sleeper is, or is
//!    about to be, asleep, and larger by two for each new sleep.
//! 2. `bell` is incremented by ringers, and is the word on which the sleeper waits in the kernel.
//!
//! The sleeper reads `bell`, makes `asleep` odd, fences, looks once more for what it waits for, and
//! only then sleeps while `bell` is what it read. A ringer makes its news visible, fences, and
//! reads `asleep`. Of two fences one comes first: either the ringer sees `asleep` odd and rings, or
//! the sleeper's last look sees the news. So no wake-up is lost, and a ringer makes a system call
//! only for a sleeper, and only once for each sleep.

use std::time::Duration;

/// The two words and the kernel's part, behind a trait so that a model checker can supply them.
pub(crate) trait Park {
    fn bell(&self) -> u32;
    /// Increments the bell and wakes who waits on it.
    fn ring(&self);
    fn asleep(&self) -> u32;
    fn set_asleep(&self, value: u32);
    /// Waits while the bell is `seen`; may return early.
    fn wait(&self, seen: u32, timeout: Option<Duration>);
    /// A sequentially consistent fence.
    fn fence(&self);
}

/// The side that sleeps.
#[derive(Debug)]
pub(crate) struct Sleeper<P> {
    park: P,
    sleeps: u32,
}

/// A sleep that was announced: [`sleep`](Sleeper::sleep) or [`stay`](Sleeper::stay) ends it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Announced {
    seen: u32,
}

impl<P: Park> Sleeper<P> {
    pub(crate) fn new(park: P) -> Self {
        Self { park, sleeps: 0 }
    }

    /// Asks to be rung from now on. The caller looks for news once more before it sleeps.
    pub(crate) fn announce(&mut self) -> Announced {
        let seen = self.park.bell();
        self.sleeps = self.sleeps.wrapping_add(1);
        self.park.set_asleep(self.sleeps);
        self.park.fence();
        Announced { seen }
    }

    /// Sleeps until rung, or for `timeout`; may end early.
    pub(crate) fn sleep(&mut self, announced: Announced, timeout: Option<Duration>) {
        self.park.wait(announced.seen, timeout);
        self.stay(announced);
    }

    /// Does not sleep after all: there was news.
    pub(crate) fn stay(&mut self, _announced: Announced) {
        self.sleeps = self.sleeps.wrapping_add(1);
        self.park.set_asleep(self.sleeps);
    }
}

/// A side that rings.
#[derive(Debug)]
pub(crate) struct Ringer<P> {
    park: P,
    /// The sleep that was ended last.
    rung: u32,
}

impl<P: Park> Ringer<P> {
    pub(crate) fn new(park: P) -> Self {
        Self { park, rung: 0 }
    }

    /// Wakes the sleeper if it sleeps; the news was made visible before.
    pub(crate) fn ring(&mut self) {
        self.park.fence();
        let asleep = self.park.asleep();
        if asleep % 2 == 1 && asleep != self.rung {
            self.rung = asleep;
            self.park.ring();
        }
    }
}

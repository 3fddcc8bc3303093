//! What a bell costs: a system call for each sleep at most, and none for a sleeper that is awake.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::shm::{Park, Ringer, Sleeper};

/// Counts the calls that would go to the kernel.
#[derive(Debug, Default)]
struct Counts {
    bell: Cell<u32>,
    asleep: Cell<u32>,
    rings: Cell<u32>,
    waits: Cell<u32>,
}

impl Park for Rc<Counts> {
    fn bell(&self) -> u32 {
        self.bell.get()
    }

    fn ring(&self) {
        self.bell.update(|bell| bell.wrapping_add(1));
        self.rings.update(|rings| rings + 1);
    }

    fn asleep(&self) -> u32 {
        self.asleep.get()
    }

    fn set_asleep(&self, value: u32) {
        self.asleep.set(value);
    }

    fn wait(&self, seen: u32, _timeout: Option<Duration>) {
        if self.bell.get() == seen {
            self.waits.update(|waits| waits + 1);
        }
    }

    fn fence(&self) {}
}

fn bell() -> (Rc<Counts>, Sleeper<Rc<Counts>>, Ringer<Rc<Counts>>) {
    let counts = Rc::new(Counts::default());
    let sleeper = Sleeper::new(Rc::clone(&counts));
    let ringer = Ringer::new(Rc::clone(&counts));
    (counts, sleeper, ringer)
}

#[test]
fn nobody_is_rung_who_never_slept() {
    let (counts, _sleeper, mut ringer) = bell();
    for _ in 0..100 {
        ringer.ring();
    }
    assert_eq!(counts.rings.get(), 0);
}

#[test]
fn a_sleeper_that_woke_or_stayed_is_not_rung() {
    let (counts, mut sleeper, mut ringer) = bell();
    for _ in 0..3 {
        let announced = sleeper.announce();
        sleeper.stay(announced);
        ringer.ring();
        let announced = sleeper.announce();
        sleeper.sleep(announced, None);
        ringer.ring();
    }
    assert_eq!(counts.rings.get(), 0);
}

#[test]
fn a_sleep_is_ended_by_one_ring_however_much_news_there_is() {
    let (counts, mut sleeper, mut ringer) = bell();
    for sleeps in 1..=5 {
        let announced = sleeper.announce();
        for _ in 0..10 {
            ringer.ring();
        }
        assert_eq!(counts.rings.get(), sleeps);
        sleeper.sleep(announced, None);
    }
}

#[test]
fn each_ringer_rings_once_for_a_sleep() {
    let (counts, mut sleeper, mut first) = bell();
    let mut second = Ringer::new(Rc::clone(&counts));
    let announced = sleeper.announce();
    for _ in 0..10 {
        first.ring();
        second.ring();
    }
    assert_eq!(counts.rings.get(), 2);
    sleeper.stay(announced);
}

#[test]
fn a_ring_after_the_announcement_keeps_the_sleeper_awake() {
    let (counts, mut sleeper, mut ringer) = bell();
    let announced = sleeper.announce();
    ringer.ring();
    sleeper.sleep(announced, None);
    assert_eq!(counts.waits.get(), 0);

    let announced = sleeper.announce();
    sleeper.sleep(announced, None);
    assert_eq!(
        counts.waits.get(),
        1,
        "the ring of an earlier sleep is over"
    );
}

use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Member, Place, SLOTS, Wake, family};
use crate::sys::futex_wake;

const LONG: Duration = Duration::from_secs(60);

fn member(place: &Place) -> Member {
    Member::from_bits(place.bits()).unwrap()
}

#[test]
fn this_process_is_a_member() {
    let family = family().unwrap();
    let me = family.me().unwrap();
    assert!(family.is_alive(me));
    assert!(me.slot() < family.highest());
    assert_eq!(family.pid(me), Some(std::process::id()));
    assert_eq!(Member::from_bits(me.to_bits()), Some(me));
}

#[test]
fn a_slot_that_is_used_again_is_another_member() {
    let family = family().unwrap();
    let place = Place::reserve().unwrap();
    let first = member(&place);
    place.born(std::process::id());
    assert!(family.is_alive(first));
    let deaths = family.deaths();
    drop(place);
    assert!(!family.is_alive(first));
    assert_ne!(family.deaths(), deaths);
    // Other tests take slots as well.
    let places: Vec<_> = (0..100).map(|_| Place::reserve().unwrap()).collect();
    let again = places
        .iter()
        .map(member)
        .find(|member| member.slot() == first.slot());
    assert!(again.is_none_or(|again| again != first && family.is_alive(again)));
    assert!(!family.is_alive(first));
}

#[test]
fn bits_that_somebody_has_overwritten_are_no_member() {
    for bits in [0, 5, u64::MAX, 1 << 32 | SLOTS as u64] {
        assert_eq!(Member::from_bits(bits), None, "{bits:x}");
    }
}

#[test]
fn a_death_wakes_who_waits() {
    let family = family().unwrap();
    let word = AtomicU32::new(0);
    let place = Place::reserve().unwrap();
    let member = member(&place);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let start = Instant::now();
            loop {
                let deaths = family.deaths();
                if !family.is_alive(member) {
                    break;
                }
                assert_ne!(family.wait(&word, 0, deaths, None), Wake::TimedOut);
                assert!(start.elapsed() < LONG);
            }
        });
        drop(place);
        waiter.join().unwrap();
    });
}

/// Ends with the test, however that ends.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn those_below_one_that_died_are_buried_with_it() {
    let family = family().unwrap();
    let place = Place::reserve().unwrap();
    let slots = family.writable().unwrap();
    let below = |sleeper: &Sleeper| {
        let below = slots.take(Some(member(&place))).unwrap();
        slots.tell_pid(below, sleeper.0.id());
        below
    };
    let (mut first, second) = (Sleeper::start(), Sleeper::start());
    let (ended, lives_on) = (below(&first), below(&second));
    first.0.kill().unwrap();
    drop(place);
    assert!(!slots.has_slot(ended));
    assert!(family.is_alive(lives_on));
    drop(second);
    assert!(!family.is_alive(lives_on));
    slots.free(lives_on);
}

#[test]
fn the_own_word_wakes_who_waits() {
    let family = family().unwrap();
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            while word.load(Ordering::SeqCst) == 0 {
                let _ = family.wait(&word, 0, family.deaths(), None);
            }
        });
        word.store(1, Ordering::SeqCst);
        futex_wake(&word);
        waiter.join().unwrap();
    });
}

#[test]
fn a_wait_ends_with_its_time() {
    let family = family().unwrap();
    let word = AtomicU32::new(0);
    let start = Instant::now();
    let limit = Duration::from_millis(20);
    while family.wait(&word, 0, family.deaths(), Some(start + limit)) != Wake::TimedOut {}
    assert!(start.elapsed() >= limit);
    assert!(start.elapsed() < LONG);
}

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::Event;
use super::{LONG, thread_id, until_asleep};

#[test]
fn an_event_is_set_and_cleared() {
    let event = Event::new().unwrap();
    assert!(!event.is_set());
    event.set();
    event.set();
    assert!(event.is_set());
    event.wait();
    assert!(event.wait_timeout(Duration::ZERO));
    event.clear();
    event.clear();
    assert!(!event.is_set());
    let start = Instant::now();
    let limit = Duration::from_millis(20);
    assert!(!event.wait_timeout(limit));
    assert!(start.elapsed() >= limit);
}

#[test]
fn all_that_wait_are_woken_also_when_it_is_cleared_at_once() {
    let event = Event::new().unwrap();
    let (ids, started) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (ids, event) = (ids.clone(), event.clone());
            scope.spawn(move || {
                ids.send(thread_id()).unwrap();
                assert!(event.wait_timeout(LONG));
            });
        }
        let ids: Vec<u32> = started.iter().take(4).collect();
        until_asleep(&ids);
        event.set();
        event.clear();
    });
}

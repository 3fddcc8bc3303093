//! Very many events from several workers and threads, with deaths in between.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use parproc::{Pool, SharedArray, parallel};
use parproc_tests::{LIMIT, within};
use tracing::{Level, info, info_span};

use super::collect::hear;

const ITEMS: u64 = 40;
const THREADS: usize = 3;
const EVENTS: u64 = 150;

/// Says something again and again from several threads, and counts what it has said. Every fifth item dies in
/// the middle of it, and every seventh is killed.
#[parallel]
fn rage(item: u64, said: SharedArray<u64>) {
    let begin = item as usize * THREADS;
    let said = said.atomics().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let said = &said.as_slice()[begin + thread];
            scope.spawn(move || {
                for number in 0..EVENTS {
                    let filler = "x".repeat((number * 7 % 300) as usize);
                    let span = info_span!("one", number);
                    let _entered = span.enter();
                    info!(item, thread, number, filler, "raging");
                    said.store(number + 1, SeqCst);
                    if item % 5 == 1 && thread == 1 && number == EVENTS / 2 {
                        std::process::abort();
                    }
                    if item % 7 == 2 && number == EVENTS / 3 {
                        std::thread::sleep(2 * LIMIT);
                    }
                }
            });
        }
    });
}

#[test]
fn each_event_of_a_storm_is_heard_once_and_in_order() {
    within(3 * LIMIT, || {
        let said = SharedArray::<u64>::new(ITEMS as usize * THREADS).unwrap();
        let (heard, outcomes) = hear(Level::INFO, || {
            let pool = Pool::builder()
                .workers(4)
                .timeout(Duration::from_secs(2))
                .build()
                .unwrap();
            let items = (0..ITEMS).map(|item| (item, said.clone()));
            pool.outcomes(rage, items).unwrap()
        });
        let dead = outcomes.iter().filter(|one| one.is_err()).count();
        assert!(dead >= 8, "{dead}");
        let mut numbers: BTreeMap<(u64, usize), Vec<u64>> = BTreeMap::new();
        for event in heard.events() {
            let number = |field: &str| event.fields[field].parse::<u64>().unwrap();
            let (task, span) = (&event.scope[0], &event.scope[1]);
            assert_eq!(task.fields["item"], event.fields["item"]);
            assert_eq!(span.fields["number"], event.fields["number"]);
            let of = (number("item"), number("thread") as usize);
            numbers.entry(of).or_default().push(number("number"));
        }
        let said = said.atomics().unwrap();
        for item in 0..ITEMS {
            for thread in 0..THREADS {
                let said = said.as_slice()[item as usize * THREADS + thread].load(SeqCst);
                let heard = numbers.remove(&(item, thread)).unwrap_or_default();
                // One more may have been told, and not counted any more.
                let told = heard.len() as u64;
                assert!(
                    told == said || told == said + 1,
                    "{item} {thread}: {told} of {said}"
                );
                assert!(
                    heard.iter().copied().eq(0..told),
                    "{item} {thread}: {heard:?}"
                );
                if outcomes[item as usize].is_ok() {
                    assert_eq!(told, EVENTS);
                }
            }
        }
        assert_eq!(heard.open(), Vec::<&str>::new());
    });
}

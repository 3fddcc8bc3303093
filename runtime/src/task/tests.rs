//! What is known between and during items.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::served::Served;
use super::{Batch, Here, attempt, function, index, seed};
use crate::registry::FunctionId;
use crate::wire::Numbering;

fn batch(first: u64) -> Batch {
    Batch {
        function: FunctionId(first as u32),
        numbering: Numbering::Items,
        first,
        attempt: first as u32,
        seed: first,
    }
}

#[test]
fn items_within_items_are_those_of_the_inner_call() {
    thread::spawn(|| {
        let outer = Here::enter(batch(10));
        outer.begin(2);
        assert_eq!((index(), attempt()), (Some(12), Some(10)));
        let seed_of_outer = seed();
        {
            let inner = Here::enter(Batch {
                numbering: Numbering::Tasks,
                ..batch(20)
            });
            assert_eq!(index(), Some(12), "none has begun");
            inner.begin(1);
            assert_eq!((index(), attempt()), (Some(0), Some(20)));
            assert_ne!(seed(), seed_of_outer);
        }
        assert_eq!((index(), seed()), (Some(12), seed_of_outer));
        drop(outer);
        assert_eq!((index(), attempt(), function()), (None, None, None));
        assert_ne!(seed(), seed());
    })
    .join()
    .unwrap();
}

#[test]
fn other_threads_see_whole_chunks_only() {
    let served = Served::new();
    let started = AtomicU64::new(0);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while seen < 100_000 {
                if let Some(item) = served.item(&started) {
                    seen += 1;
                    let first = u64::from(item.attempt);
                    let offset = (item.index.unwrap() as u64).wrapping_sub(first);
                    assert!(offset < 3, "{item:?}");
                    assert_eq!(item, batch(first).item(offset));
                }
            }
        });
        let mut chunk = 0;
        while !reader.is_finished() {
            served.begin(&batch(10 * chunk), 3 * chunk);
            for _ in 0..3 {
                started.fetch_add(1, Ordering::Relaxed);
            }
            served.end();
            chunk += 1;
        }
        reader.join().unwrap();
    });
    assert_eq!(served.item(&started), None);
}

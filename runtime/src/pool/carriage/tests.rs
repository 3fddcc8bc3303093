//! Tests of objects that go to workers and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parproc_macros::parallel;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::Pool;
use crate::object::{Flags, Object, PAYLOAD, Tag, deserialize, receive, send_note, serialize};
use crate::shm::Placed;
use crate::sys::wait_readable;

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
struct Handle(Arc<Object>);

impl Handle {
    fn new(flags: Flags) -> Self {
        Self(Object::memory(Tag::of::<u64>("test"), 8, flags).unwrap())
    }

    fn word(&self) -> Placed<AtomicU64> {
        self.0.check(Tag::of::<u64>("test")).unwrap();
        #[expect(unsafe_code, reason = "the word of the test's memory")]
        // SAFETY: an atomic, at an offset that is a multiple of its alignment.
        unsafe {
            Placed::new(self.0.mapping(), PAYLOAD)
        }
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

#[parallel(crate = crate)]
fn add(n: u64, to: Handle) -> u64 {
    to.word().fetch_add(n, Ordering::Relaxed)
}

#[parallel(crate = crate)]
fn make(n: u64) -> (Vec<Handle>, u64) {
    let handle = Handle::new(Flags::default());
    handle.word().store(n, Ordering::Relaxed);
    (vec![handle], n)
}

/// Drops one end, says so through another one, and waits until that is gone.
#[parallel(crate = crate)]
fn drop_first(first: Handle, second: Handle) {
    drop(first);
    send_note(second.0.fd(), 9, 0).unwrap();
    while !matches!(receive(second.0.fd(), false), Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof)
    {
        wait_readable(&[second.0.fd()], Some(LIMIT)).unwrap();
    }
}

#[parallel(crate = crate)]
fn has(id: u64) -> bool {
    crate::object::is_here(id)
}

#[test]
fn what_a_task_writes_into_shared_memory_is_there() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let sum = Handle::new(Flags::default());
    let items: Vec<_> = (0..10_000).map(|n| (n, sum.clone())).collect();
    pool.for_each(add, items).unwrap();
    assert_eq!(sum.word().load(Ordering::Relaxed), 49_995_000);
}

#[test]
fn results_bring_what_they_name() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let results = pool.map(make, 0..300).unwrap();
    for (n, (handles, told)) in (0..).zip(&results) {
        assert_eq!((handles[0].word().load(Ordering::Relaxed), *told), (n, n));
    }
    let inline = Pool::builder().inline().build().unwrap();
    let (handles, _) = inline.spawn(make, 5).unwrap().join().unwrap();
    assert_eq!(handles[0].word().load(Ordering::Relaxed), 5);
}

#[test]
fn what_a_task_drops_is_gone_though_it_still_runs() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let flags = Flags {
        waits: true,
        ..Flags::default()
    };
    let (first, ours) = Object::sockets(flags).unwrap();
    let (second, our_second) = Object::sockets(flags).unwrap();
    let task = pool
        .spawn(drop_first, (Handle(first), Handle(second)))
        .unwrap();
    assert_eq!(
        wait_readable(&[our_second.fd()], Some(LIMIT)).unwrap(),
        [true]
    );
    // Nobody waits for the task, and yet this process lets go of its end.
    assert_eq!(wait_readable(&[ours.fd()], Some(LIMIT)).unwrap(), [true]);
    let gone = receive(ours.fd(), false).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::UnexpectedEof);
    drop((ours, our_second));
    task.join().unwrap();
}

#[test]
fn a_worker_keeps_what_it_is_to_keep_as_long_as_the_program_does() {
    let pool = Pool::builder().workers(1).build().unwrap();
    for keep in [false, true] {
        let flags = Flags {
            keep,
            ..Flags::default()
        };
        let handle = Handle::new(flags);
        let id = handle.0.id();
        pool.spawn(add, (1, handle.clone()))
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(pool.map(has, [id]).unwrap(), [keep]);
        pool.spawn(add, (1, handle.clone()))
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(handle.word().load(Ordering::Relaxed), 2);
        drop(handle);
        assert_eq!(pool.map(has, [id]).unwrap(), [false]);
    }
}

#[test]
fn items_that_name_what_others_wait_for_run_at_the_same_time() {
    let pool = Pool::builder().workers(2).build().unwrap();
    let flags = Flags {
        waits: true,
        ..Flags::default()
    };
    let (a, b) = Object::sockets(flags).unwrap();
    let job = pool.job(meet).chunk_size(8);
    job.for_each([Handle(a), Handle(b)]).unwrap();
}

/// Says something and hears the other.
#[parallel(crate = crate)]
fn meet(end: Handle) {
    send_note(end.0.fd(), 9, 0).unwrap();
    wait_readable(&[end.0.fd()], Some(LIMIT)).unwrap();
    receive(end.0.fd(), false).unwrap().unwrap();
}

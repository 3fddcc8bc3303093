//! Tests of shared objects within one process.

use std::io::Write;
use std::sync::{Arc, Mutex, Weak};

use serde::{Deserialize, Serialize};

use super::{Flags, Mourner, Object, Tag, collect, receive, send};

#[derive(Debug, Clone)]
struct Handle(Arc<Object>);

impl Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::deserialize(deserializer).map(Self)
    }
}

fn memory() -> Arc<Object> {
    Object::memory(Tag::of::<u64>("test"), 100, Flags::default()).unwrap()
}

#[test]
fn each_object_that_a_value_names_is_gathered_once() {
    let handles = [Handle(memory()), Handle(memory())];
    let value = (&handles[0], &handles[1], &handles[0], &handles[0]);
    let (bytes, objects) = collect(|| postcard::to_stdvec(&value).unwrap());
    assert_eq!(objects.len(), 2);
    let read: [Handle; 4] = postcard::from_bytes(&bytes).unwrap();
    assert!(Arc::ptr_eq(&read[3].0, &handles[0].0));
}

#[test]
fn a_handle_cannot_be_written_where_nobody_takes_it_along() {
    postcard::to_stdvec(&Handle(memory())).unwrap_err();
}

#[test]
fn what_is_gathered_inside_is_not_seen_outside() {
    let (outer, inner) = (Handle(memory()), Handle(memory()));
    let ((), gathered) = collect(|| {
        let _ = postcard::to_stdvec(&outer).unwrap();
        let (_, gathered) = collect(|| postcard::to_stdvec(&inner).unwrap());
        assert_eq!(gathered.len(), 1);
        // Nor what is left behind by a panic.
        let panicked = std::panic::catch_unwind(|| {
            collect(|| {
                let _ = postcard::to_stdvec(&inner).unwrap();
                panic!("in the middle");
            })
        });
        assert!(panicked.is_err());
    });
    assert_eq!(gathered.len(), 1);
    assert!(Arc::ptr_eq(&gathered[0], &outer.0));
    postcard::to_stdvec(&outer).unwrap_err();
}

#[test]
fn an_object_that_comes_back_is_the_one_that_is_there() {
    let (a, b) = Object::sockets(Flags::default()).unwrap();
    let object = memory();
    send(a.fd(), 7, 42, std::slice::from_ref(&object), false).unwrap();
    let message = receive(b.fd(), false).unwrap().unwrap();
    assert_eq!((message.subject, message.number), (7, 42));
    assert!(Arc::ptr_eq(&message.objects[0], &object));
    assert!(receive(b.fd(), false).unwrap().is_none());
}

#[test]
fn an_object_lives_on_its_way() {
    let (a, b) = Object::sockets(Flags::default()).unwrap();
    let object = memory();
    let id = object.id();
    let flags = Flags {
        keep: true,
        waits: true,
    };
    let kept = Object::frozen(Tag::of::<str>("test"), 3, flags, |file| {
        file.write_all(b"abc")
    })
    .unwrap();
    send(a.fd(), 1, 1, &[object, kept], false).unwrap();
    assert!(super::table::find(id).is_none());
    let message = receive(b.fd(), false).unwrap().unwrap();
    assert_eq!(message.objects[0].id(), id);
    message.objects[0].check(Tag::of::<u64>("test")).unwrap();
    message.objects[0]
        .check(Tag::of::<u32>("test"))
        .unwrap_err();
    let tag = Tag::of::<str>("test");
    assert_eq!(message.objects[1].frozen_bytes(tag).unwrap(), b"abc");
    message.objects[1].check(tag).unwrap_err();
    assert_eq!(message.objects[1].flags(), flags);
    message.objects[0]
        .frozen_bytes(Tag::of::<u64>("test"))
        .unwrap_err();
}

#[test]
fn many_objects_take_several_messages() {
    let (a, b) = Object::sockets(Flags::default()).unwrap();
    let objects: Vec<_> = (0..300).map(|_| memory()).collect();
    send(a.fd(), 1, 1, &objects, false).unwrap();
    let first = receive(b.fd(), false).unwrap().unwrap();
    let second = receive(b.fd(), false).unwrap().unwrap();
    assert_eq!(first.objects.len() + second.objects.len(), 300);
}

struct Told(Mutex<Vec<u64>>);

impl Mourner for Told {
    fn dropped(&self, id: u64) {
        self.0.lock().unwrap().push(id);
    }
}

#[test]
fn who_wants_to_know_is_told_with_the_last_handle() {
    let told = Arc::new(Told(Mutex::default()));
    let mourner: Weak<Told> = Arc::downgrade(&told);
    let object = memory();
    let other = Arc::clone(&object);
    for _ in 0..100 {
        // Those that are gone take no room.
        let gone: Weak<Told> = Arc::downgrade(&Arc::new(Told(Mutex::default())));
        object.on_drop(gone);
    }
    object.on_drop(mourner);
    let id = object.id();
    drop(object);
    assert_eq!(*told.0.lock().unwrap(), []);
    drop(other);
    assert_eq!(*told.0.lock().unwrap(), [id]);
}

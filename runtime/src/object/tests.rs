//! Tests of shared objects within one process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Collector, Flags, Object, Tag, receive, send};

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
fn a_collector_gathers_each_object_once() {
    let handles = [Handle(memory()), Handle(memory())];
    let collector = Collector::start();
    assert!(collector.is_empty());
    let value = (&handles[0], &handles[1], &handles[0], &handles[0]);
    let bytes = postcard::to_stdvec(&value).unwrap();
    assert!(!collector.is_empty());
    assert_eq!(collector.finish().len(), 2);
    let read: [Handle; 4] = postcard::from_bytes(&bytes).unwrap();
    assert!(Arc::ptr_eq(&read[3].0, &handles[0].0));
}

#[test]
fn a_handle_cannot_be_written_where_nobody_takes_it_along() {
    postcard::to_stdvec(&Handle(memory())).unwrap_err();
}

#[test]
fn the_outer_collector_does_not_see_what_the_inner_one_gathers() {
    let (outer_handle, inner_handle) = (Handle(memory()), Handle(memory()));
    let outer = Collector::start();
    let _ = postcard::to_stdvec(&outer_handle).unwrap();
    {
        let inner = Collector::start();
        let _ = postcard::to_stdvec(&inner_handle).unwrap();
        assert_eq!(inner.finish().len(), 1);
    }
    let gathered = outer.finish();
    assert_eq!(gathered.len(), 1);
    assert!(Arc::ptr_eq(&gathered[0], &outer_handle.0));
}

#[test]
fn an_object_that_comes_back_is_the_one_that_is_there() {
    let (a, b) = Object::sockets(Flags::default()).unwrap();
    let object = memory();
    send(a.fd(), 7, 42, std::slice::from_ref(&object), false).unwrap();
    let message = receive(b.fd(), false).unwrap().unwrap();
    assert_eq!(
        (message.subject, message.number, message.more),
        (7, 42, false)
    );
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
    let kept = Object::frozen(Tag::of::<str>("test"), 3, flags, |bytes| {
        bytes.copy_from_slice(b"abc");
        Ok(())
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
    assert_eq!(message.objects[1].frozen_bytes(), Some(&b"abc"[..]));
    assert_eq!(message.objects[1].flags(), flags);
    assert_eq!(message.objects[0].frozen_bytes(), None);
}

#[test]
fn many_objects_take_several_messages() {
    let (a, b) = Object::sockets(Flags::default()).unwrap();
    let objects: Vec<_> = (0..300).map(|_| memory()).collect();
    send(a.fd(), 1, 1, &objects, false).unwrap();
    let first = receive(b.fd(), false).unwrap().unwrap();
    let second = receive(b.fd(), false).unwrap().unwrap();
    assert!(first.more && !second.more);
    assert_eq!(first.objects.len() + second.objects.len(), 300);
}

#[test]
fn a_farewell_is_said_with_the_last_handle() {
    let (told, heard) = std::sync::mpsc::channel();
    let object = memory();
    let other = Arc::clone(&object);
    object.on_drop(move |id| told.send(id).unwrap());
    let id = object.id();
    drop(object);
    assert!(heard.try_recv().is_err());
    drop(other);
    assert_eq!(heard.try_recv(), Ok(id));
}

//! Tests of ipc-channel's values within one process.

use ipc_channel::ipc::{self, IpcReceiver, IpcSender, IpcSharedMemory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::holds;
use crate::object::collect;

/// A value of these types as wire writes it.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Bare<T: Serialize>(#[serde(with = "super")] T);

fn there_and_back<T: Serialize + DeserializeOwned>(value: T) -> T {
    let (bytes, _objects) = collect(|| postcard::to_stdvec(&Bare(value)).unwrap());
    let made: Bare<T> = postcard::from_bytes(&bytes).unwrap();
    made.0
}

#[test]
fn its_types_are_known_by_their_names() {
    assert!(holds::<IpcSender<u8>>());
    assert!(holds::<Vec<Option<(u8, IpcReceiver<String>)>>>());
    assert!(!holds::<String>());
    assert!(!holds::<u64>());
    assert!(holds::<IpcSender<u8>>());
}

#[test]
fn a_sender_and_a_receiver_get_through() {
    let (sender, receiver) = ipc::channel::<String>().unwrap();
    let (number, sender) = there_and_back((7, sender));
    sender.send("a".to_owned()).unwrap();
    let receiver = there_and_back(vec![Some(receiver)]).pop().unwrap().unwrap();
    drop(sender);
    assert_eq!((number, receiver.recv().unwrap()), (7, "a".to_owned()));
    receiver.recv().unwrap_err();
}

#[derive(Serialize, Deserialize)]
struct Order {
    #[serde(with = "super")]
    replies: Vec<IpcSender<u32>>,
    #[serde(with = "super")]
    memory: IpcSharedMemory,
    name: String,
}

#[test]
fn a_field_that_says_so_gets_through() {
    let (sender, receiver) = ipc::channel().unwrap();
    let order = Order {
        replies: vec![sender.clone(), sender],
        memory: IpcSharedMemory::from_bytes(b"bytes"),
        name: "order".to_owned(),
    };
    let (bytes, _objects) = collect(|| postcard::to_stdvec(&order).unwrap());
    let order: Order = postcard::from_bytes(&bytes).unwrap();
    for reply in &order.replies {
        reply.send(1).unwrap();
    }
    assert_eq!((&*order.memory, &*order.name), (&b"bytes"[..], "order"));
    assert_eq!(receiver.recv().unwrap() + receiver.recv().unwrap(), 2);
}

#[test]
fn bytes_that_name_no_channel_are_an_error() {
    let (sender, _receiver) = ipc::channel::<u8>().unwrap();
    let (bytes, _objects) = collect(|| postcard::to_stdvec(&(vec![9_u8], Vec::<u64>::new())));
    postcard::from_bytes::<Bare<IpcSender<u8>>>(&bytes.unwrap())
        .err()
        .unwrap();
    // And the next one works.
    drop(there_and_back(sender));
}

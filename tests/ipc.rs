//! Channels of the crate ipc-channel as arguments and results.

use std::time::Duration;

use ipc_channel::ipc::{self, IpcBytesReceiver, IpcReceiver, IpcSender, IpcSharedMemory};
use parproc::{Pool, parallel};
use serde::{Deserialize, Serialize};

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().unwrap()
}

#[parallel]
fn produce(count: u64, sink: IpcSender<u64>) {
    for n in 0..count {
        sink.send(n).unwrap();
    }
}

#[parallel]
fn consume(source: IpcReceiver<u64>) -> u64 {
    std::iter::from_fn(|| source.recv().ok()).sum()
}

#[test]
fn two_tasks_talk_through_a_channel() {
    let pool = pool(2);
    let (sender, receiver) = ipc::channel().unwrap();
    let sum = pool.spawn(consume, receiver).unwrap();
    // The last sender is the task's, so its end ends the other one.
    pool.spawn(produce, (1000, sender)).unwrap().join().unwrap();
    assert_eq!(sum.join().unwrap(), 499_500);
}

#[test]
fn a_map_takes_one_for_each_item() {
    let pool = pool(2);
    let (sender, receiver) = ipc::channel().unwrap();
    pool.for_each(produce, vec![(10, sender); 20]).unwrap();
    let sum: u64 = std::iter::from_fn(|| receiver.recv().ok()).sum();
    assert_eq!(sum, 20 * 45);
}

#[parallel]
fn open() -> (IpcSender<String>, Vec<IpcReceiver<String>>) {
    let (sender, receiver) = ipc::channel().unwrap();
    (sender, vec![receiver])
}

#[test]
fn a_task_returns_both_ends() {
    let (sender, receivers) = pool(1).spawn(open, ()).unwrap().join().unwrap();
    sender.send("through".to_owned()).unwrap();
    assert_eq!(receivers[0].recv().unwrap(), "through");
}

#[derive(Serialize, Deserialize)]
struct Order {
    name: String,
    #[serde(with = "parproc::ipc")]
    reply: IpcSender<usize>,
}

#[parallel]
fn serve(order: Order, memory: IpcSharedMemory, source: IpcBytesReceiver) {
    let bytes = source.recv().unwrap();
    let total = order.name.len() + memory.len() + bytes.len();
    order.reply.send(total).unwrap();
}

#[test]
fn fields_bytes_and_memory_get_through() {
    let (reply, answer) = ipc::channel().unwrap();
    let (bytes, source) = ipc::bytes_channel().unwrap();
    let order = Order {
        name: "four".to_owned(),
        reply,
    };
    let memory = IpcSharedMemory::from_byte(1, 1000);
    let pool = pool(1);
    let task = pool.spawn(serve, (order, memory, source)).unwrap();
    bytes.send(&[0; 10]).unwrap();
    let answered = answer.try_recv_timeout(Duration::from_secs(30));
    assert_eq!(answered.unwrap(), 1014);
    task.join().unwrap();
}

#[parallel]
fn die(sink: IpcSender<u64>) {
    sink.send(1).unwrap();
    std::process::abort();
}

#[test]
fn a_killed_holder_hangs_up() {
    let pool = pool(1);
    let (sender, receiver) = ipc::channel().unwrap();
    let task = pool.spawn(die, sender).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    receiver.recv().unwrap_err();
    assert!(task.join().unwrap_err().task().unwrap().is_crash());
}

#[test]
fn more_channels_than_the_crate_takes_are_an_error() {
    let pool = pool(1);
    let (sender, _receiver) = ipc::channel::<u64>().unwrap();
    let senders: Vec<_> = vec![sender; 65];
    let error = pool.spawn(count, senders).unwrap_err().to_string();
    assert!(error.contains("more channels than 64"), "{error}");
    let (sender, _receiver) = ipc::channel::<u64>().unwrap();
    let counted = pool.spawn(count, vec![sender; 64]).unwrap().join();
    assert_eq!(counted.unwrap(), 64);
}

#[parallel]
fn count(senders: Vec<IpcSender<u64>>) -> usize {
    senders.len()
}

//! What a process, or the system, has no more of.

use std::fs;
use std::thread;
use std::time::Duration;

use parproc::channel::{
    Queue, Receiver, RecvError, SendTimeoutError, Sender, TrySendError, bounded, channel, pipe,
};
use parproc::{Process, parallel};
use parproc_tests::in_time;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::LONG;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Leaves room for `more` descriptors, and sets the limit back on drop.
struct Tight(Rlimit);

impl Tight {
    fn new(more: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
            let name = entry.unwrap().file_name();
            name.to_str().unwrap().parse::<u64>().ok()
        });
        // Listing them takes one, which is free again.
        let current = Some(highest.max().unwrap_or(0) + more as u64);
        setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
        Self(before)
    }
}

impl Drop for Tight {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

/// Receives channels until there is no room for more, makes room, and receives the rest; gives how many
/// came before, and what all of them held.
#[parallel]
fn receives_at_the_limit(from: Receiver<Receiver<u64>>) -> (usize, u64) {
    let tight = Tight::new(40);
    let mut held = Vec::new();
    let error = loop {
        match from.recv() {
            Ok(receiver) => held.push(receiver),
            Err(error) => break error,
        }
    };
    let RecvError::Failed(error) = error else {
        panic!("{error:?}");
    };
    let error = error.system_error().expect("an error of the system");
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
    // It stays so, and the message where it is.
    let waiting = from.len();
    from.try_recv().unwrap_err();
    assert_eq!(from.len(), waiting);
    let first = held.len();
    let mut sum: u64 = held.drain(..).map(|one| one.recv().unwrap()).sum();
    sum += from.iter().map(|one| one.recv().unwrap()).sum::<u64>();
    drop(tight);
    (first, sum)
}

/// Makes channels until that fails.
#[parallel]
fn makes_until_the_limit() -> usize {
    let before = descriptors();
    let tight = Tight::new(20);
    let mut channels = Vec::new();
    let error = loop {
        match pipe::<u64, u64>() {
            Ok(made) => channels.push(made),
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
    let (one, other) = &channels[0];
    one.send(1).unwrap();
    assert_eq!(other.recv().unwrap(), 1);
    let count = channels.len();
    drop((channels, tight));
    assert_eq!(descriptors(), before);
    count
}

#[parallel]
fn receives_handles(from: Receiver<Sender<u64>>, count: usize) {
    for sender in from.iter().take(count) {
        sender.send(1).unwrap();
    }
}

#[test]
fn receiving_a_channel_at_the_descriptor_limit_is_an_error_and_works_afterwards() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        for number in 0..50 {
            let (first, second) = channel().unwrap();
            first.send(number).unwrap();
            sender.send(second).unwrap();
        }
        let process = Process::spawn(receives_at_the_limit, receiver).unwrap();
        drop(sender);
        let (first, sum) = process.join().unwrap();
        assert!((3..50).contains(&first), "{first}");
        assert_eq!(sum, 1225);
    });
}

#[test]
fn making_channels_at_the_descriptor_limit_is_an_error() {
    in_time(|| {
        let process = Process::spawn(makes_until_the_limit, ()).unwrap();
        assert!(process.join().unwrap() >= 1);
    });
}

#[test]
fn handles_that_nobody_takes_fill_the_channel_at_some_time() {
    in_time(|| {
        let (sender, receiver) = bounded::<Sender<u64>>(10_000).unwrap();
        let (handle, handles) = channel().unwrap();
        let sent = (0..).find(|_| match sender.try_send(handle.clone()) {
            Ok(()) => false,
            Err(TrySendError::Full(_)) => true,
            Err(error) => panic!("{error}"),
        });
        let sent = sent.unwrap();
        assert!(sent > 50, "{sent}");
        let limit = Duration::from_millis(20);
        assert!(matches!(
            sender.send_timeout(handle.clone(), limit),
            Err(SendTimeoutError::Timeout(_))
        ));
        let sending = thread::spawn({
            let (sender, handle) = (sender.clone(), handle.clone());
            move || (0..100).for_each(|_| sender.send(handle.clone()).unwrap())
        });
        let process = Process::spawn(receives_handles, (receiver, sent + 100)).unwrap();
        sending.join().unwrap();
        process.join().unwrap();
        assert_eq!(handles.try_iter().count(), sent + 100);
    });
}

#[test]
fn a_message_may_name_more_channels_than_a_socket_message() {
    in_time(|| {
        let (sender, receiver) = channel::<Vec<Sender<u64>>>().unwrap();
        let (handles, receivers): (Vec<_>, Vec<_>) = (0..150).map(|_| channel().unwrap()).unzip();
        let sending = thread::spawn(move || sender.send(handles));
        for handle in receiver.recv_timeout(LONG).unwrap() {
            handle.send(1).unwrap();
        }
        sending.join().unwrap().unwrap();
        assert!(receivers.iter().all(|one| one.recv().unwrap() == 1));
    });
}

#[test]
fn channels_leave_no_descriptor_behind() {
    in_time(|| {
        let process = Process::spawn(counts_descriptors, ()).unwrap();
        process.join().unwrap();
    });
}

/// In a process of its own, where nobody else opens anything.
#[parallel]
fn counts_descriptors() {
    let work = || {
        let (sender, receiver) = channel::<Sender<u64>>().unwrap();
        let (handle, _numbers) = channel().unwrap();
        for _ in 0..10 {
            sender.send(handle.clone()).unwrap();
        }
        drop(receiver.recv().unwrap());
        let queue = Queue::new().unwrap();
        queue.send(vec![1_u64; 100_000]).unwrap();
        queue.recv().unwrap();
    };
    work();
    let before = descriptors();
    for _ in 0..20 {
        work();
    }
    assert_eq!(descriptors(), before);
}

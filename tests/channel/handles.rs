//! Messages with handles, more than the system's buffers take.

use std::thread;
use std::time::Duration;

use parproc::channel::{Queue, Receiver, SendTimeoutError, Sender, TrySendError, bounded, channel};
use parproc::{Process, SharedCell, parallel};
use parproc_tests::in_time;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::LONG;

fn cells(count: u64) -> Vec<SharedCell<u64>> {
    (0..count).map(|i| SharedCell::new(i).unwrap()).collect()
}

/// Sends as many cells at once as this process can have; gives how many.
#[parallel]
fn sends_all_it_can(to: Sender<Vec<SharedCell<u64>>>) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let highest = limit.maximum.unwrap_or(u64::MAX).min(100_000);
    let (current, maximum) = (Some(highest), limit.maximum);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let count = 30_000.min(highest / 3);
    to.send(cells(count)).unwrap();
    count
}

#[parallel]
fn adds(from: Receiver<Vec<SharedCell<u64>>>, to: Sender<u64>) {
    for cells in from {
        to.send(cells.iter().map(SharedCell::load).sum()).unwrap();
    }
}

/// Asks for each number anew.
#[parallel]
fn echoes(from: Receiver<SharedCell<u64>>, to: Sender<u64>, go: Receiver<()>) {
    for cell in from {
        if to.send(cell.load()).is_err() || go.recv().is_err() {
            return;
        }
    }
}

#[test]
fn a_message_names_more_than_a_socket_holds() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let limit = getrlimit(Resource::Nofile);
        let (current, maximum) = (limit.maximum, limit.maximum);
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
        let process = Process::spawn(sends_all_it_can, sender).unwrap();
        let cells = receiver.recv_timeout(LONG).unwrap();
        let count = process.join().unwrap();
        assert!(cells.iter().map(SharedCell::load).eq(0..count));
    });
}

#[test]
fn sending_handles_without_limit_is_an_error_at_some_time_and_never_waits() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let cell = SharedCell::new(1_u64).unwrap();
        for _ in 0..3 {
            let sent = (0..).find_map(|sent| Some((sent, sender.send(cell.clone()).err()?)));
            let (sent, error) = sent.unwrap();
            assert_eq!(sent, 250, "{error}");
            assert!(error.to_string().contains("handles"), "{error}");
            assert!(!error.is_disconnected() && error.into_inner().load() == 1);
            let Err(TrySendError::Failed(_, error)) = sender.try_send(cell.clone()) else {
                panic!("it was sent, or the channel is full");
            };
            assert!(error.is_crowded() && error.system_error().is_none());
            assert!(matches!(
                sender.send_timeout(cell.clone(), LONG),
                Err(SendTimeoutError::Failed(..))
            ));
            let rest = sender.send_many([cell.clone()]).unwrap_err().into_inner();
            assert_eq!((rest.len(), sender.is_full()), (1, false));
            receiver.recv().unwrap();
            sender.send(cell.clone()).unwrap();
            assert_eq!(receiver.try_iter().count(), 250);
        }
    });
}

#[test]
fn plain_messages_pass_where_no_more_handles_fit() {
    in_time(|| {
        let (sender, receiver) = bounded::<Option<SharedCell<u64>>>(1000).unwrap();
        let cell = SharedCell::new(1_u64).unwrap();
        while sender.try_send(Some(cell.clone())).is_ok() {}
        assert!(sender.is_full());
        for _ in 0..100 {
            sender.send(None).unwrap();
        }
        assert_eq!(receiver.try_iter().count(), 350);
        assert!(!sender.is_full());
    });
}

#[test]
fn handles_go_on_as_soon_as_one_is_received() {
    in_time(|| {
        let (sender, receiver) = bounded(1000).unwrap();
        let cell = SharedCell::new(1_u64).unwrap();
        while sender.try_send(cell.clone()).is_ok() {}
        let (to, echoed) = channel().unwrap();
        let (go, going) = channel().unwrap();
        let process = Process::spawn(echoes, (receiver, to, going)).unwrap();
        for number in 0..600 {
            echoed.recv_timeout(LONG).unwrap();
            // The other one receives nothing more before this is sent.
            let cell = SharedCell::new(number).unwrap();
            sender.send_timeout(cell, LONG).unwrap();
            go.send(()).unwrap();
        }
        drop((echoed, go));
        process.join().unwrap();
    });
}

#[test]
fn attempts_in_a_full_channel_leave_nothing_behind() {
    in_time(|| {
        let (sender, receiver) = bounded(1000).unwrap();
        let many = cells(200);
        let one = vec![many[0].clone()];
        let fill = || (0..).find(|_| sender.try_send(one.clone()).is_err());
        let mut sent = fill().unwrap();
        for _ in 0..100 {
            let received = (0..4).filter(|_| receiver.try_recv().is_ok()).count();
            sent = sent - received + fill().unwrap();
            sender.try_send(many.clone()).unwrap_err();
        }
        assert_eq!(receiver.try_iter().count(), sent);
        sender.try_send(one.clone()).unwrap();
        sender.send_timeout(many, LONG).unwrap();
        assert_eq!(receiver.try_iter().map(|all| all.len()).sum::<usize>(), 201);
    });
}

#[test]
fn all_sums_come_where_messages_name_many_handles() {
    in_time(|| {
        let (sender, receiver) = bounded(1000).unwrap();
        let (to, sums) = channel().unwrap();
        let processes =
            [(); 2].map(|()| Process::spawn(adds, (receiver.clone(), to.clone())).unwrap());
        drop((receiver, to));
        let cells = cells(260);
        let sending = thread::spawn(move || {
            for count in (0..260).cycle().step_by(7).take(500) {
                sender.send(cells[..count].to_vec()).unwrap();
            }
        });
        let expected: u64 = (0..260)
            .cycle()
            .step_by(7)
            .take(500)
            .map(|count: u64| count * count.saturating_sub(1) / 2)
            .sum();
        assert_eq!(sums.iter().sum::<u64>(), expected);
        sending.join().unwrap();
        for process in processes {
            process.join().unwrap();
        }
    });
}

#[test]
fn a_queue_that_is_crowded_says_so() {
    in_time(|| {
        let queue = Queue::new().unwrap();
        let cell = SharedCell::new(1_u64).unwrap();
        while queue.send(cell.clone()).is_ok() {}
        assert_eq!(queue.len(), 250);
        assert!(!queue.join_timeout(Duration::from_millis(1)));
    });
}

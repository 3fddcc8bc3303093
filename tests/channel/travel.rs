//! Channels in messages.

use parproc::channel::{Receiver, Sender, TryRecvError, channel};
use parproc::{Process, par_map, parallel};
use parproc_tests::{in_time, is_launched};
use serde::{Deserialize, Serialize};

/// A question, and where the answer goes.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    number: u64,
    answer: Sender<u64>,
}

#[parallel]
fn answers(questions: Receiver<Question>) -> u64 {
    let mut count = 0;
    for Question { number, answer } in questions {
        answer.send(number * number).unwrap();
        count += 1;
    }
    count
}

#[parallel]
fn makes_a_channel(number: u64) -> Receiver<u64> {
    let (sender, receiver) = channel().unwrap();
    sender.send(number).unwrap();
    receiver
}

#[test]
fn a_channel_is_sent_over_a_channel() {
    in_time(|| {
        let (sender, questions) = channel().unwrap();
        let process = Process::spawn(answers, questions).unwrap();
        for number in 0..1000 {
            let (answer, receiver) = channel().unwrap();
            sender.send(Question { number, answer }).unwrap();
            assert_eq!(receiver.recv().unwrap(), number * number);
        }
        drop(sender);
        assert_eq!(process.join().unwrap(), 1000);
    });
}

#[test]
fn a_channel_comes_back_as_a_result() {
    if is_launched() {
        println!("skipped: a channel that a task of a node makes cannot leave that");
        return;
    }
    in_time(|| {
        let receivers = par_map(makes_a_channel, 0..20).unwrap();
        for (number, receiver) in (0..).zip(receivers) {
            assert_eq!(receiver.recv().unwrap(), number);
            assert!(matches!(
                receiver.try_recv(),
                Err(TryRecvError::Disconnected)
            ));
        }
    });
}

/// Either end of a channel for such ends.
#[derive(Debug, Serialize, Deserialize)]
enum End {
    Sender(Sender<End>),
    Receiver(Receiver<End>),
}

#[test]
fn a_channel_is_sent_over_itself() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        sender.send(End::Sender(sender.clone())).unwrap();
        sender.send(End::Receiver(receiver.clone())).unwrap();
        let End::Sender(again) = receiver.recv().unwrap() else {
            panic!("the receiver came first");
        };
        drop(sender);
        assert!(again.same_channel(&again));
        let End::Receiver(other) = receiver.recv().unwrap() else {
            panic!("a sender came again");
        };
        drop(receiver);
        again.send(End::Receiver(other)).unwrap();
        again.send(End::Sender(again.clone())).unwrap();
    });
}

//! What messages can be.

use parproc::channel::{SendError, Sender, TryRecvError, bounded, channel};
use parproc::{Process, parallel};
use parproc_tests::in_time;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Word;

/// A number that serde writes and reads only if it is not a certain one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Picky(u32);

const UNWRITABLE: u32 = 13;
const UNREADABLE: u32 = 14;

impl Serialize for Picky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == UNWRITABLE {
            return Err(S::Error::custom("thirteen is not written"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            UNREADABLE => Err(D::Error::custom("fourteen is not read")),
            number => Ok(Self(number)),
        }
    }
}

#[parallel]
fn sends_words(to: Sender<Word>, count: u32) {
    for number in 0..count {
        let text = "x".repeat(number as usize % 100);
        to.send(Word { text, number }).unwrap();
    }
}

#[parallel]
fn sends_bytes(to: Sender<Vec<u8>>, lengths: Vec<usize>) {
    for len in lengths {
        to.send(vec![len as u8; len]).unwrap();
    }
}

#[parallel]
fn sends_nothings(to: Sender<()>, count: u32) {
    for _ in 0..count {
        to.send(()).unwrap();
    }
}

#[test]
fn messages_never_merge() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let process = Process::spawn(sends_words, (sender, 5000)).unwrap();
        for (number, word) in (0..).zip(&receiver) {
            let text = "x".repeat(number as usize % 100);
            assert_eq!(word, Word { text, number });
        }
        process.join().unwrap();
    });
}

#[test]
fn empty_messages_arrive() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let process = Process::spawn(sends_nothings, (sender, 1000)).unwrap();
        assert_eq!(receiver.iter().count(), 1000);
        process.join().unwrap();
        let (sender, receiver) = channel().unwrap();
        let process = Process::spawn(sends_bytes, (sender, vec![0, 0, 1, 0])).unwrap();
        let lengths: Vec<_> = receiver.iter().map(|bytes| bytes.len()).collect();
        assert_eq!(lengths, [0, 0, 1, 0]);
        process.join().unwrap();
    });
}

#[test]
fn a_message_may_be_large() {
    in_time(|| {
        let lengths = vec![64 << 20, 3, 1 << 20, (5 << 20) + 1, 17];
        let (sender, receiver) = channel().unwrap();
        let process = Process::spawn(sends_bytes, (sender, lengths.clone())).unwrap();
        for len in lengths {
            let bytes = receiver.recv().unwrap();
            assert_eq!(bytes.len(), len);
            assert!(bytes.iter().all(|byte| *byte == len as u8));
        }
        process.join().unwrap();
    });
}

#[test]
fn an_item_that_cannot_be_encoded_takes_no_slot() {
    in_time(|| {
        let (sender, receiver) = bounded(1).unwrap();
        match sender.send(Picky(UNWRITABLE)) {
            Err(SendError::Failed(Picky(UNWRITABLE), error)) => {
                assert!(error.is_encode());
                let text = error.to_string();
                assert!(text.contains("thirteen is not written"), "{text}");
                assert!(text.contains("Picky"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(receiver.is_empty());
        sender.try_send(Picky(1)).unwrap();
        assert_eq!(receiver.recv().unwrap(), Picky(1));
    });
}

#[test]
fn an_item_that_cannot_be_decoded_is_an_error_and_gone() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        sender.send_many([1, UNREADABLE, 2].map(Picky)).unwrap();
        assert_eq!(receiver.recv().unwrap(), Picky(1));
        match receiver.try_recv() {
            Err(TryRecvError::Failed(error)) => {
                assert!(error.is_decode());
                assert!(
                    error.to_string().contains("fourteen is not read"),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(receiver.recv().unwrap(), Picky(2));
    });
}

#[test]
fn many_messages_that_are_sent_at_once_stop_at_the_one_that_cannot_be() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let messages = [1, 2, UNWRITABLE, 3].map(Picky);
        let error = sender.send_many(messages).unwrap_err();
        assert_eq!(error.into_inner(), [Picky(UNWRITABLE), Picky(3)]);
        let received: Vec<_> = receiver.try_iter().collect();
        assert_eq!(received, [Picky(1), Picky(2)]);
    });
}

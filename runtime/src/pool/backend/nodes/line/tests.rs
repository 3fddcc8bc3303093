//! Lines between ranks of one process.

use std::convert::Infallible;

use super::super::outgoing::{Body, HEAD, Outgoing, PIECE, PIECE_OF_BODY, PULSE, SMALL, WHOLE};
use super::super::room::Room;
use super::Line;
use crate::transport::Transport;
use crate::transport::memory::{Memory, ranks};

type Head = (u32, String);

fn pair() -> (Line<Head, Infallible>, Line<Head, Infallible>) {
    let mut ranks = ranks(2).into_iter();
    let mut next = || Line::new(Box::new(ranks.next().unwrap()));
    (next(), next())
}

fn head(number: u32) -> Head {
    (number, format!("message {number}"))
}

fn bytes(number: u32, len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| (index as u32 ^ number) as u8)
        .collect()
}

fn all(line: &mut Line<Head, Infallible>) -> Vec<(Head, Vec<u8>)> {
    let mut messages = Vec::new();
    while let Some(message) = line.receive(|_, _, len| Room::bytes(len)).unwrap() {
        assert_eq!(message.from, 0);
        let Room::Bytes(bytes, len) = message.body else {
            panic!("no landing was asked for");
        };
        assert_eq!(bytes.len(), len);
        messages.push((message.head, bytes));
    }
    messages
}

#[test]
fn messages_of_all_lengths_come_whole_and_in_order() {
    let (mut here, mut there) = pair();
    let lengths = [
        0,
        1,
        100,
        SMALL,
        SMALL + 1,
        PIECE,
        PIECE + 1,
        3 * PIECE + 5,
        0,
        7,
    ];
    for (number, len) in (0..).zip(lengths) {
        let bytes = bytes(number, len);
        here.post(
            1,
            if len <= SMALL {
                Outgoing::with_small_body(&head(number), [&bytes[..len / 2], &bytes[len / 2..]])
            } else {
                Outgoing::new(&head(number), Body::Bytes(bytes))
            },
        );
    }
    while here.send(|never, _, _, _| match *never {}) {}
    assert!(here.is_drained());
    let came = all(&mut there);
    assert_eq!(came.len(), lengths.len());
    for ((number, len), (head_of, body)) in (0..).zip(lengths).zip(came) {
        assert_eq!(head_of, head(number));
        assert!(body == bytes(number, len), "message {number}");
    }
}

#[test]
fn short_messages_go_together() {
    let mut memory = ranks(2);
    let (mut there, here) = (memory.pop().unwrap(), memory.pop().unwrap());
    let mut here: Line<Head, Infallible> = Line::new(Box::new(here));
    for number in 0..10 {
        here.post(1, Outgoing::new(&head(number), Body::Inline(0)));
    }
    here.send(|never, _, _, _| match *never {});
    let mut frames = 0;
    while there.poll().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, 1);
}

#[test]
fn a_body_that_is_asked_for_later_is_asked_for_in_pieces() {
    let mut memory = ranks(2);
    let (there, here) = (memory.pop().unwrap(), memory.pop().unwrap());
    let mut here: Line<Head, &str> = Line::new(Box::new(here));
    let mut there: Line<Head, Infallible> = Line::new(Box::new(there));
    let whole = bytes(3, 2 * PIECE + 9);
    here.post(1, Outgoing::new(&head(1), Body::Later("kept", whole.len())));
    here.post(1, Outgoing::new(&head(2), Body::Later("gone", PIECE + 1)));
    here.send(|source, offset, count, out| {
        assert!(count <= PIECE);
        out.extend_from_slice(&whole[offset..offset + count]);
        *source == "kept"
    });
    let mut next = || {
        there
            .receive(|_, _, len| Room::bytes(len))
            .unwrap()
            .unwrap()
    };
    assert!(matches!(next().body, Room::Bytes(bytes, _) if bytes == whole));
    assert!(matches!(next().body, Room::Void(len) if len == PIECE + 1));
}

#[test]
fn a_part_of_a_body_is_something_that_came() {
    let mut memory = ranks(2);
    let there = memory.pop().unwrap();
    let mut there: Line<Head, Infallible> = Line::new(Box::new(there));
    let mut message: Outgoing<Infallible> =
        Outgoing::new(&head(1), Body::Bytes(vec![7; 2 * SMALL]));
    memory[0].send(1, message.take_frame(0));
    let mut came = || {
        assert!(all(&mut there).is_empty());
        there.send(|never, _, _, _| match *never {})
    };
    assert!(came());
    memory[0].send(1, vec![PIECE_OF_BODY; 100]);
    assert!(came());
    assert!(!came());
    memory[0].send(1, vec![PULSE]);
    assert!(!came());
}

#[test]
fn nothing_is_heard_of_a_rank_that_was_forgotten() {
    let (mut here, mut there) = pair();
    here.post(1, Outgoing::new(&head(1), Body::Bytes(bytes(0, SMALL + 1))));
    here.send(|never, _, _, _| match *never {});
    there.forget(0, Outgoing::new(&head(9), Body::Inline(0)));
    assert!(all(&mut there).is_empty());
}

#[test]
fn what_has_no_meaning_is_an_error() {
    let frames: [&[u8]; 6] = [
        &[99],
        &[PIECE_OF_BODY, 1],
        &[WHOLE],
        &[HEAD, 0, 0],
        &[WHOLE, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // A body that is longer than the frame.
        &[WHOLE, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ];
    for frame in frames {
        let mut memory: Vec<Memory> = ranks(2);
        let there = memory.pop().unwrap();
        memory[0].send(1, frame.to_vec());
        let mut there: Line<Head, Infallible> = Line::new(Box::new(there));
        let heard = there.receive(|_, _, len| Room::bytes(len));
        assert!(heard.is_err(), "{frame:?}");
    }
}

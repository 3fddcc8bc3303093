//! Parts on their way, in one process.

use std::sync::Arc;

use crate::object::{Object, collect};
use crate::shared::{ArrayError, SharedArray, SharedPart};
use crate::wire::{append_value, decode};

fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    append_value(value, &mut bytes).map(|()| bytes)
}

type Message = (Vec<u8>, Vec<Arc<Object>>);

fn send(part: &SharedPart<u64>) -> Result<Message, String> {
    let (bytes, objects) = collect(|| encode(part));
    Ok((bytes?, objects))
}

fn receive(message: &Message) -> Result<SharedPart<u64>, String> {
    decode(&message.0)
}

fn split(parts: usize) -> (SharedArray<u64>, Vec<SharedPart<u64>>) {
    let array = SharedArray::from_slice(&[1, 2, 3, 4]).unwrap();
    let parts = array.split(parts).unwrap();
    (array, parts)
}

#[test]
fn a_part_that_is_passed_on_belongs_to_the_receiver() {
    let (array, mut parts) = split(2);
    let message = send(&parts[1]).unwrap();
    assert!(parts[1].is_moved());
    assert!(parts[1].iter().next().is_none() && parts[1].iter_mut().next().is_none());
    let mut part = receive(&message).unwrap();
    assert_eq!((part.index(), part.range(), part.len()), (1, 2..4, 2));
    assert_eq!(*part, [3, 4]);
    part[0] = 9;
    assert!(receive(&message).unwrap_err().contains("owner"));
    parts.clear();
    assert_eq!(array.outstanding_parts(), 1);
    drop(part);
    assert_eq!(array.to_vec().unwrap(), [1, 2, 9, 4]);
}

#[test]
fn a_part_that_was_borrowed_from_is_not_passed_on_until_it_is_closed() {
    let (_array, mut parts) = split(1);
    let part = &mut parts[0];
    assert_eq!(part[0], 1);
    assert!(send(part).unwrap_err().contains("close"));
    part.close();
    send(part).unwrap();
}

#[test]
fn writing_closes_a_part() {
    let (_array, mut parts) = split(1);
    let part = &mut parts[0];
    assert_eq!(part[0], 1);
    part[0] = 2;
    send(part).unwrap();
}

#[test]
fn without_somebody_who_takes_it_along_a_part_stays() {
    let (_array, mut parts) = split(1);
    encode(&parts[0]).unwrap_err();
    assert!(!parts[0].is_moved());
    parts[0][0] = 5;
}

#[test]
fn a_second_attempt_gets_the_part_that_the_first_one_dropped() {
    let (array, parts) = split(1);
    let message = send(&parts[0]).unwrap();
    drop(receive(&message).unwrap());
    let part = receive(&message).unwrap();
    drop(part);
    assert_eq!(array.get(0), Ok(1));
    assert!(receive(&message).unwrap_err().contains("taken back"));
}

#[test]
fn a_part_that_came_back_can_be_used_and_sent_again() {
    let (array, mut parts) = split(1);
    let message = send(&parts[0]).unwrap();
    receive(&message).unwrap()[0] = 7;
    assert_eq!(parts[0][0], 7);
    parts.iter_mut().for_each(SharedPart::close);
    let again = send(&parts[0]).unwrap();
    assert!(receive(&message).is_err());
    receive(&again).unwrap()[0] = 8;
    let third = send(&parts[0]).unwrap();
    assert_eq!(receive(&third).unwrap()[0], 8);
    assert_eq!(array.to_vec().unwrap(), [8, 2, 3, 4]);
}

#[test]
fn encoding_twice_gives_the_same_message() {
    let (_array, parts) = split(1);
    assert_eq!(send(&parts[0]).unwrap().0, send(&parts[0]).unwrap().0);
}

#[test]
fn parts_in_lost_messages_are_reclaimed() {
    let (array, parts) = split(2);
    let message = send(&parts[0]).unwrap();
    drop(parts);
    assert_eq!(array.get(0), Err(ArrayError::Split { out: 1 }));
    assert_eq!(array.reclaim(), 1);
    assert_eq!(array.reclaim(), 0);
    receive(&message).unwrap_err();
    assert_eq!(array.get(0), Ok(1));
    receive(&message).unwrap_err();
}

#[test]
fn a_message_of_one_split_gives_no_part_of_the_next() {
    let (array, parts) = split(1);
    let message = send(&parts[0]).unwrap();
    array.reclaim();
    let next = array.split(1).unwrap();
    receive(&message).unwrap_err();
    drop(parts);
    assert_eq!(array.outstanding_parts(), 1);
    drop(next);
    assert_eq!(array.outstanding_parts(), 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (_array, parts) = split(1);
    let message = send(&parts[0]).unwrap();
    // The index stands behind the id, the length and the split.
    for at in 0..message.0.len() {
        let mut changed = message.0.clone();
        changed[at] ^= 0x41;
        if let Ok(part) = decode::<SharedPart<u64>>(&changed) {
            assert!(part.range().end <= 4);
        }
    }
}

#[test]
fn a_part_that_a_panic_drops_poisons_the_array_unless_a_second_attempt_gives_it_back() {
    for again in [false, true] {
        let (array, parts) = split(2);
        let messages: Vec<_> = parts.iter().map(|part| send(part).unwrap()).collect();
        std::thread::scope(|scope| {
            let task = || {
                let mut part = receive(&messages[0]).unwrap();
                part[0] = 7;
                std::panic::resume_unwind(Box::new(()));
            };
            scope.spawn(task).join().unwrap_err();
        });
        if again {
            assert_eq!(receive(&messages[0]).unwrap()[0], 7);
        }
        drop(receive(&messages[1]).unwrap());
        drop(parts);
        assert_eq!(array.outstanding_parts(), 0);
        assert_eq!(array.lock().is_err(), !again);
    }
}

//! A channel is a queue: whatever is done to both, they hold the same.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::channel::{TryRecvError, TrySendError, bounded, channel};

#[derive(Debug, Clone)]
enum Action {
    Send(Vec<u8>),
    SendMany(Vec<Vec<u8>>),
    Recv,
    RecvMany(usize),
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        8 => 0..40_usize,
        4 => 0..5000_usize,
        2 => 16_000..17_000_usize,
        1 => 0..300_000_usize,
    ];
    (len, any::<u8>()).prop_map(|(len, byte)| vec![byte; len])
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => message().prop_map(Action::Send),
        1 => vec(message(), 0..20).prop_map(Action::SendMany),
        5 => Just(Action::Recv),
        1 => (0..20_usize).prop_map(Action::RecvMany),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_channel_is_a_queue(
        capacity in proptest::option::of(1..50_usize),
        actions in vec(action(), 0..200),
    ) {
        let (sender, receiver) = match capacity {
            Some(capacity) => bounded(capacity).unwrap(),
            None => channel().unwrap(),
        };
        prop_assert_eq!(sender.capacity(), capacity);
        let mut model = VecDeque::new();
        let is_full = |model: &VecDeque<_>| capacity.is_some_and(|most| model.len() >= most);
        for action in actions {
            match action {
                Action::Send(message) => match sender.try_send(message.clone()) {
                    Ok(()) => {
                        prop_assert!(!is_full(&model));
                        model.push_back(message);
                    }
                    Err(TrySendError::Full(back)) => {
                        prop_assert!(is_full(&model));
                        prop_assert_eq!(back, message);
                    }
                    Err(error) => panic!("{error}"),
                },
                Action::SendMany(mut messages) => {
                    let room = capacity.map_or(usize::MAX, |most| most - model.len());
                    messages.truncate(room);
                    prop_assert_eq!(sender.send_many(messages.clone()).unwrap(), messages.len());
                    model.extend(messages);
                }
                Action::Recv => match receiver.try_recv() {
                    Ok(message) => prop_assert_eq!(Some(message), model.pop_front()),
                    Err(TryRecvError::Empty) => prop_assert!(model.is_empty()),
                    Err(error) => panic!("{error}"),
                },
                Action::RecvMany(most) => {
                    let most = most.min(model.len());
                    let mut messages = Vec::new();
                    prop_assert_eq!(receiver.recv_many(&mut messages, most).unwrap(), most);
                    prop_assert!(messages.into_iter().eq(model.drain(..most)));
                }
            }
            prop_assert_eq!(receiver.len(), model.len());
            prop_assert_eq!(sender.is_full(), is_full(&model));
        }
        drop(sender);
        prop_assert!(receiver.iter().eq(model));
    }
}

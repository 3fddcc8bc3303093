//! Two-way connections.

use parproc::channel::{Pipe, RecvError, TryRecvError, pipe};
use parproc::{Process, parallel};
use parproc_tests::{in_time, inline_pool};

use super::{LONG, Word, counts};

/// Says how long the words are, until there are no more.
#[parallel]
fn measures(words: Pipe<usize, Word>) -> usize {
    let mut count = 0;
    for word in words.iter() {
        words.send(word.text.len()).unwrap();
        count += 1;
    }
    count
}

/// Sends all of it, without looking at what comes.
#[parallel]
fn talks(pipe: Pipe<u64, u64>, count: u64) -> u64 {
    for number in 0..count {
        pipe.send(number).unwrap();
    }
    (0..count).map(|_| pipe.recv().unwrap()).sum()
}

#[test]
fn both_ends_send_and_receive() {
    in_time(|| {
        let (here, there) = pipe::<Word, usize>().unwrap();
        let process = Process::spawn(measures, there).unwrap();
        for number in 0..1000 {
            let text = "x".repeat(number as usize % 50);
            here.send(Word { text, number }).unwrap();
            assert_eq!(here.recv_timeout(LONG).unwrap(), number as usize % 50);
        }
        assert!(matches!(here.try_recv(), Err(TryRecvError::Empty)));
        drop(here);
        assert_eq!(process.join().unwrap(), 1000);
    });
}

#[test]
fn two_that_talk_at_once_do_not_wait_for_each_other() {
    in_time(|| {
        let (here, there) = pipe().unwrap();
        let process = Process::spawn(talks, (there, 100_000)).unwrap();
        assert_eq!(talks(here, 100_000), 4_999_950_000);
        assert_eq!(process.join().unwrap(), 4_999_950_000);
    });
}

#[test]
fn an_end_whose_other_end_was_killed_is_told() {
    in_time(|| {
        let (here, there) = pipe::<Word, usize>().unwrap();
        let mut process = Process::spawn(measures, there).unwrap();
        process.kill();
        assert!(matches!(here.recv(), Err(RecvError::Disconnected)));
        process.join_timeout(LONG).unwrap_err();
        let (text, number) = (String::new(), 0);
        let back = here.send(Word { text, number }).unwrap_err();
        assert!(back.is_disconnected());
        assert_eq!(back.into_inner().number, 0);
    });
}

#[test]
fn the_halves_of_an_end_are_used_apart() {
    in_time(|| {
        let (here, there) = pipe::<u64, u64>().unwrap();
        let (sender, receiver) = here.split();
        let process = Process::spawn(counts, (there.sender().clone(), 10)).unwrap();
        sender.send(5).unwrap();
        assert_eq!(there.recv().unwrap(), 5);
        drop(there);
        assert!(receiver.iter().eq(0..10));
        process.join().unwrap();
    });
}

#[test]
fn channels_go_to_the_tasks_of_an_inline_pool_as_well() {
    in_time(|| {
        let (here, there) = pipe::<u64, u64>().unwrap();
        let pool = inline_pool();
        let sender = there.sender().clone();
        pool.spawn(counts, (sender, 10)).unwrap().join().unwrap();
        drop(there);
        assert!(here.iter().eq(0..10));
    });
}

//! What is kept, and what is not.

use std::env;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use parproc::replay::SavedInput;
use parproc::{Backoff, CancelToken, Pool, TaskError};
use parproc_tests::{Meeting, in_time, program, role, succeeds};
use tempfile::TempDir;

use super::{
    End, OneWay, digest, digests, ends, files, gives_silent, keeping, meets_and_aborts,
    takes_one_way,
};

/// The input that the error names; it says the same.
fn input_of(error: &TaskError) -> SavedInput {
    let input = SavedInput::open(error.saved_input().unwrap_or_else(|| panic!("{error}"))).unwrap();
    input.check().unwrap();
    assert_eq!(input.function(), error.function());
    assert_eq!(input.index(), error.index());
    assert_eq!(input.attempt(), error.attempt());
    assert_eq!(input.pid(), error.pid());
    let text = error.to_string();
    let path = input.path().display();
    let expected = format!(
        "{}; `PARPROC_REPLAY={path} <program>` repeats the call",
        input.error()
    );
    // A file says the item of any call, the error of a task that is a call of its own does not.
    let of_task = expected.replacen(", item 0: ", ": ", 1);
    assert!([&expected, &of_task].contains(&&text), "{text}, {expected}");
    assert!(input.error_details().contains(input.error()));
    input
}

#[test]
fn for_each_kind_of_failure() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let kinds = [
            End::Well,
            End::Segfault,
            End::Abort,
            End::Well,
            End::Exit,
            End::Panic,
            End::WithErr,
            End::Panic,
        ];
        let items = kinds.iter().zip(0..).map(|(end, item)| (*end, item));
        let outcomes = pool.job(ends).chunk_size(3).outcomes(items).unwrap();
        let mut kept = 0;
        for (index, (end, outcome)) in kinds.iter().zip(&outcomes).enumerate() {
            match end {
                End::Well => assert_eq!(*outcome.as_ref().unwrap(), Ok(1)),
                End::WithErr => assert!(outcome.as_ref().unwrap().is_err()),
                _ => {
                    let error = outcome.as_ref().unwrap_err();
                    assert_eq!(error.index(), index);
                    assert_eq!(error.is_panic(), *end == End::Panic, "{error}");
                    assert_eq!(error.is_crash(), *end != End::Panic, "{error}");
                    let input = input_of(error);
                    let signature = "fn ends(end: End, _item: u32) -> Result<u32, String>";
                    assert_eq!(input.signature(), signature);
                    let number = *end as u8;
                    let item = u8::try_from(index).unwrap();
                    assert_eq!(input.arguments(), [1, number, 4, item, 0, 0, 0]);
                    kept += 1;
                }
            }
        }

        // Alone: results that the parent has not read are overwritten too.
        let task = pool.spawn(ends, (End::Corrupt, 0)).unwrap();
        let error = task.join().unwrap_err();
        assert!(error.to_string().contains("overwrote"), "{error}");
        input_of(error.task().unwrap());
        let limit = Duration::from_millis(100);
        let late = pool.job(ends).timeout(limit).spawn((End::Hang, 0)).unwrap();
        let error = late.join().unwrap_err();
        assert!(error.task().unwrap().is_timeout(), "{error}");
        input_of(error.task().unwrap());
        let large = pool.job(ends).memory_limit(64 << 20);
        let error = large.spawn((End::Allocate, 0)).unwrap().join().unwrap_err();
        assert!(error.task().unwrap().is_memory(), "{error}");
        input_of(error.task().unwrap());
        let error = pool.map(takes_one_way, [OneWay]).unwrap_err();
        assert!(error.task().unwrap().is_decode(), "{error}");
        let input = input_of(error.task().unwrap());
        assert_eq!(input.arguments(), b"\x06\x05there");
        let error = pool.map(gives_silent, [7]).err().unwrap();
        assert!(error.task().unwrap().is_encode(), "{error}");
        let input = input_of(error.task().unwrap());
        assert_eq!(input.arguments(), [4, 7, 0, 0, 0]);
        assert_eq!(files(folder.path()).len(), kept + 5);
    });
}

#[test]
fn with_the_exact_bytes_of_large_and_many_arguments() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        // Large vectors are not copied into a chunk, small ones are.
        let lengths = [100_000_usize, 3, 0, 50_000, 20_000];
        let item = |index: usize| {
            let len = lengths[index % lengths.len()];
            let numbers: Vec<f64> = (0..len).map(|n| n as f64 / 3.0).collect();
            let bytes: Vec<u8> = (0..len).map(|n| (n * index) as u8).collect();
            (numbers, "text ".repeat(index), bytes, index as u16)
        };
        let items: Vec<_> = (0..20).map(item).collect();
        let given = items
            .iter()
            .map(|(numbers, text, bytes, last)| (numbers.clone(), &text[..], &bytes[..], *last));
        let outcomes = pool.job(digests).chunk_size(4).outcomes(given).unwrap();
        for ((numbers, text, bytes, last), outcome) in items.iter().zip(outcomes) {
            let error = outcome.unwrap_err();
            let wanted = digest(numbers, text, bytes, *last).to_string();
            assert_eq!(error.panic_message(), Some(&wanted[..]));
            let mut expected = Vec::new();
            let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
            for argument in [&numbers[..], text.as_bytes(), bytes, &last.to_ne_bytes()] {
                expected.extend(varint(argument.len()));
                expected.extend(argument);
            }
            assert!(input_of(&error).arguments() == expected, "item {last}");
        }
        assert_eq!(files(folder.path()).len(), items.len());
    });
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn of_the_last_attempt_only() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let items = [(End::Well, 0), (End::Abort, 1), (End::Panic, 2)];
        let job = || pool.job(ends).retries(2).backoff(Backoff::none());

        let outcomes = job().outcomes(items).unwrap();
        let attempts = |outcome: &Result<_, TaskError>| {
            let error = outcome.as_ref().unwrap_err();
            input_of(error).attempt()
        };
        assert_eq!(attempts(&outcomes[1]), 3);
        assert_eq!(attempts(&outcomes[2]), 1, "panics are not tried again");
        assert_eq!(files(folder.path()).len(), 2);

        // Here the caller decides: panics are tried again too.
        let decided = job().retry_if(|outcome| outcome.is_err());
        let outcomes = decided.chunk_size(3).outcomes(items).unwrap();
        assert_eq!(attempts(&outcomes[1]), 3);
        assert_eq!(attempts(&outcomes[2]), 3);
        assert_eq!(files(folder.path()).len(), 4);
    });
}

#[test]
fn not_of_good_cancelled_and_late_ones() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let items = (0..100).map(|item| {
            (
                if item % 2 == 0 {
                    End::Well
                } else {
                    End::WithErr
                },
                item,
            )
        });
        let outcomes = pool.outcomes(ends, items).unwrap();
        assert!(outcomes.iter().all(Result::is_ok));

        let meeting = Meeting::new();
        let token = CancelToken::new();
        let task = pool.job(super::meets).cancel_token(&token);
        let task = task.spawn(meeting.name()).unwrap();
        let guest = meeting.wait();
        token.cancel();
        assert!(task.join().unwrap_err().is_cancelled());
        drop(guest);

        let late = pool.job(ends).deadline(Duration::from_millis(50));
        let outcomes = late.outcomes([(End::Hang, 0)]).unwrap();
        assert!(outcomes[0].as_ref().unwrap_err().is_timeout());

        let hanging = pool.spawn(super::meets, meeting.name()).unwrap();
        let guest = meeting.wait();
        pool.kill();
        assert!(hanging.join().unwrap_err().is_cancelled());
        drop(guest);
        assert!(files(folder.path()).is_empty());
    });
}

#[test]
fn not_of_items_behind_the_failure_that_ended_their_call() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let meeting = Meeting::new();
        let items = [(meeting.name(), 0), (meeting.name(), 1)];
        let second = thread::scope(|scope| {
            let map = || pool.map(meets_and_aborts, items).unwrap_err();
            let map = scope.spawn(map);
            let mut guests = [meeting.wait(), meeting.wait()];
            guests.sort_by_key(|guest| guest.word);
            let [first, second] = guests;
            drop(first);
            let error = map.join().unwrap();
            assert_eq!(error.task().unwrap().index(), 0);
            second
        });
        // Now it aborts, or is killed.
        drop(second);
        pool.shutdown().unwrap();
        assert_eq!(files(folder.path()).len(), 1);
    });
}

#[test]
fn of_a_task_that_nobody_waits_for() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        for (item, end) in (0..).zip([End::Panic, End::Segfault, End::Well]) {
            drop(pool.spawn(ends, (end, item)).unwrap());
        }
        pool.shutdown().unwrap();
        let inputs = files(folder.path());
        let errors: Vec<_> = inputs
            .iter()
            .map(|path| SavedInput::open(path).unwrap().error().to_owned())
            .collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        for part in ["as it was told", "SIGSEGV"] {
            assert!(
                errors.iter().any(|error| error.contains(part)),
                "{errors:?}"
            );
        }
    });
}

#[test]
fn before_callbacks_are_called() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let (sender, results) = channel();
        for (item, end) in (0..).zip([End::Panic, End::Abort]) {
            let sender = sender.clone();
            let task = pool.spawn(ends, (end, item)).unwrap();
            task.on_done(move |result| sender.send(result).unwrap());
        }
        for _ in 0..2 {
            let error = results.recv().unwrap().unwrap_err();
            input_of(error.task().unwrap());
        }
    });
}

#[test]
fn of_hundreds_of_items_each_in_a_file_of_its_own() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let items = (0..600).map(|item| (if item % 3 == 0 { End::Panic } else { End::Well }, item));
        let mut paths = Vec::new();
        for (index, outcome) in pool.imap(ends, items).unwrap().enumerate() {
            assert_eq!(outcome.is_err(), index % 3 == 0);
            if let Err(error) = outcome {
                assert_eq!(error.index(), index);
                paths.push(input_of(&error).path().to_owned());
            }
        }
        paths.sort();
        assert_eq!(files(folder.path()), paths);
    });
}

#[test]
fn in_pools_that_run_everything_in_their_own_process() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = Pool::builder().inline().crash_dir(folder.path());
        let pool = pool.build().unwrap();
        let kinds = [End::Well, End::Panic, End::Well, End::Well, End::Panic];
        let items = || (0..).zip(kinds).map(|(item, end)| (end, item));
        let job = pool.job(ends).chunk_size(5);
        let outcomes = job.outcomes(items()).unwrap();
        for (index, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_err(), kinds[index] == End::Panic);
            if let Err(error) = outcome {
                assert_eq!(error.index(), index);
                let item = u8::try_from(index).unwrap();
                assert_eq!(input_of(error).arguments()[2..], [4, item, 0, 0, 0]);
            }
        }
        assert_eq!(files(folder.path()).len(), 2);
        let job = pool
            .job(ends)
            .retries(1)
            .retry_if(|outcome| outcome.is_err());
        let outcomes = job.chunk_size(5).outcomes(items()).unwrap();
        for index in [1, 4] {
            assert_eq!(input_of(outcomes[index].as_ref().unwrap_err()).attempt(), 2);
        }
        assert_eq!(files(folder.path()).len(), 4);
    });
}

#[test]
fn what_stands_in_the_way_is_told_and_fails_nothing() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let pool = Pool::builder().workers(2).crash_dir(file.join("folder"));
        let pool = pool.build().unwrap();
        let items = [(End::Panic, 0), (End::Well, 1), (End::Abort, 2)];
        let outcomes = pool.outcomes(ends, items).unwrap();
        assert_eq!(*outcomes[1].as_ref().unwrap(), Ok(1));
        for index in [0, 2] {
            let error = outcomes[index].as_ref().unwrap_err();
            assert_eq!(error.saved_input(), None);
            let text = error.to_string();
            assert!(text.contains("its input could not be saved: "), "{text}");
            assert!(text.contains("file/folder: "), "{text}");
        }
    });
}

#[test]
fn where_the_variable_says_unless_the_program_does() {
    const VARIABLE: &str = "PARPROC_CRASH_DIR";
    let name = "keep::where_the_variable_says_unless_the_program_does";
    if role().is_some() {
        let builder = || Pool::builder().workers(1);
        let error = |pool: Pool| pool.map(ends, [(End::Panic, 0)]).unwrap_err();
        let of_variable = error(builder().build().unwrap());
        let of_program = error(builder().crash_dir("program").build().unwrap());
        let saved = of_program.task().unwrap().saved_input().unwrap();
        assert_eq!(
            saved.parent(),
            Some(&*env::current_dir().unwrap().join("program"))
        );
        match of_variable.task().unwrap().saved_input() {
            Some(path) => println!("saved in {}", path.parent().unwrap().display()),
            None => println!("not saved"),
        }
        return;
    }
    in_time(move || {
        let folder = TempDir::new().unwrap();
        let run = |value: Option<&str>| {
            let mut command = program(name, "say");
            command.current_dir(folder.path()).env_remove(VARIABLE);
            if let Some(value) = value {
                command.env(VARIABLE, value);
            }
            succeeds(&mut command)
        };
        for value in [None, Some("")] {
            let text = run(value);
            assert!(text.contains("not saved"), "{text}");
        }
        let text = run(Some("inputs/here"));
        let inputs = folder.path().join("inputs/here");
        assert!(
            text.contains(&format!("saved in {}", inputs.display())),
            "{text}"
        );
        assert_eq!(files(&inputs).len(), 1);
        assert_eq!(files(&folder.path().join("program")).len(), 3);
    });
}

#[test]
fn while_a_slow_call_goes_on() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let meeting = Meeting::new();
        let slow = pool.spawn(super::meets, meeting.name()).unwrap();
        let guest = meeting.wait();
        let threads: Vec<_> = thread::scope(|scope| {
            let one = |item| {
                let pool = &pool;
                move || pool.map(ends, [(End::Panic, item)]).unwrap_err()
            };
            let threads: Vec<_> = (0..4).map(|item| scope.spawn(one(item))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for error in &threads {
            input_of(error.task().unwrap());
        }
        drop(guest);
        slow.join().unwrap();
        assert_eq!(files(folder.path()).len(), 4);
    });
}

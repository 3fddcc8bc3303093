//! Errors: what they say, how they are told apart, and that they go where errors have to go.

use std::error::Error as StdError;
use std::process;
use std::thread;
use std::time::Duration;

use parproc::sync::Mutex;
use parproc::{
    Error, FunctionInfo, Imap, ImapUnordered, Job, Pool, PoolBuilder, Task, TaskError, TryMapError,
    parallel,
};
use parproc_tests::{Meeting, in_time, meet, pool};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

#[parallel]
fn fails(how: u8) -> Stubborn {
    match how {
        0 => panic!("zero"),
        1 => process::exit(4),
        2 => Stubborn(true),
        _ => Stubborn(false),
    }
}

/// Cannot be written if it holds true.
#[derive(Debug, PartialEq, Deserialize)]
struct Stubborn(bool);

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 {
            return Err(S::Error::custom("it stays where it is"));
        }
        false.serialize(serializer)
    }
}

#[parallel]
fn wait_at(meeting: &str) {
    meet(meeting, 0);
}

#[parallel]
fn parse(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn unknown(x: u8) -> u8 {
    x
}

/// Every question that can be asked about an error, with its answer.
fn answers(error: &Error) -> [(&'static str, bool); 8] {
    [
        ("task", error.is_task()),
        ("not_registered", error.is_not_registered()),
        ("duplicate", error.is_duplicate()),
        ("invalid", error.is_invalid()),
        ("closed", error.is_closed()),
        ("timeout", error.is_timeout()),
        ("start", error.is_start()),
        ("foreign_host", error.is_foreign_host()),
    ]
}

fn only(error: &Error, expected: &str) {
    let yes: Vec<_> = answers(error).into_iter().filter(|(_, yes)| *yes).collect();
    assert_eq!(yes, [(expected, true)], "{error}");
    assert_eq!(error.task().is_some(), expected == "task");
    assert!(!error.to_string().is_empty());
    let debug = format!("{error:?}");
    assert!(debug.contains(&error.to_string()), "{debug}");
}

fn only_task(error: &TaskError, expected: &str) {
    let answers = [
        ("panic", error.is_panic()),
        ("crash", error.is_crash()),
        ("encode", error.is_encode()),
        ("decode", error.is_decode()),
        ("cancelled", error.is_cancelled()),
    ];
    let yes: Vec<_> = answers.into_iter().filter(|(_, yes)| *yes).collect();
    assert_eq!(yes, [(expected, true)], "{error}");
}

#[test]
fn each_error_answers_one_question_with_yes() {
    in_time(|| {
        let pool = pool(1);
        only(&pool.map(fails, [0]).unwrap_err(), "task");
        only(&pool.map(unknown, [0]).unwrap_err(), "not_registered");
        only(&Pool::builder().workers(0).build().unwrap_err(), "invalid");
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, meeting.name()).unwrap();
        let guest = meeting.wait();
        let error = task.join_timeout(Duration::ZERO).unwrap_err();
        only(&error, "timeout");
        drop(guest);
        task.join().unwrap();
        pool.shutdown().unwrap();
        only(&pool.map(fails, [0]).unwrap_err(), "closed");
    });
}

#[test]
fn a_timeout_is_one_whatever_ran_out_of_time() {
    in_time(|| {
        let pool = pool(1);
        let soon = Duration::from_millis(20);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, meeting.name()).unwrap();
        let guest = meeting.wait();
        let wait = task.join_timeout(soon).unwrap_err();
        assert!(wait.is_timeout() && !wait.is_task(), "{wait}");
        drop(guest);
        task.join().unwrap();

        let limited = pool.job(wait_at).timeout(soon);
        let limit = limited.map([meeting.name()]).unwrap_err();
        assert!(limit.is_timeout() && limit.is_task(), "{limit}");
        let limited = pool.job(wait_at).deadline(soon);
        let deadline = limited.map([meeting.name()]).unwrap_err();
        assert!(deadline.is_timeout() && deadline.is_task(), "{deadline}");

        let mutex = Mutex::new(0_u8).unwrap();
        let held = mutex.lock().unwrap();
        let late = || Ok::<_, Error>(*mutex.lock_timeout(soon)?);
        let lock = thread::scope(|scope| scope.spawn(late).join().unwrap()).unwrap_err();
        assert!(lock.is_timeout() && !lock.is_task(), "{lock}");
        drop(held);

        for other in [
            pool.map(fails, [0]).unwrap_err(),
            std::io::Error::from(std::io::ErrorKind::WouldBlock).into(),
        ] {
            assert!(!other.is_timeout(), "{other}");
        }
    });
}

#[test]
fn an_error_of_an_item_says_which_and_where_and_why() {
    in_time(|| {
        let outcomes = pool(1).outcomes(fails, 0..4).unwrap();
        assert_eq!(*outcomes[3].as_ref().unwrap(), Stubborn(false));
        let kinds = ["panic", "crash", "encode"];
        let reasons = ["zero", "code 4", "it stays where it is"];
        for (index, (kind, reason)) in kinds.into_iter().zip(reasons).enumerate() {
            let error = outcomes[index].as_ref().unwrap_err();
            only_task(error, kind);
            assert_eq!((error.index(), error.function()), (index, "errors::fails"));
            let text = error.to_string();
            let pid = error.pid().expect("a worker ran it").to_string();
            for part in ["errors::fails", &format!("item {index}"), reason, &pid] {
                assert!(text.contains(part), "{part} is not in: {text}");
            }
        }
    });
}

/// Reports that print an error with its sources would tell it twice.
#[test]
fn a_cause_that_is_told_is_no_source() {
    in_time(|| {
        let error = pool(1).map(fails, [2]).unwrap_err();
        assert!(
            error.to_string().contains("it stays where it is"),
            "{error}"
        );
        assert!(error.source().is_none());
        assert!(error.task().expect("an item failed").source().is_none());
    });
}

#[test]
fn the_debug_form_shows_the_backtrace_of_a_panic() {
    in_time(|| {
        let error = pool(1).map(fails, [0]).unwrap_err();
        let debug = format!("{error:?}");
        let backtrace = error.task().unwrap().backtrace();
        assert!(backtrace.is_none_or(|backtrace| debug.contains(backtrace)));
        assert!(
            !error.to_string().contains('\n'),
            "the message is one line: {error}"
        );
    });
}

#[test]
fn errors_turn_into_each_other_with_a_question_mark() {
    fn call(pool: &Pool) -> Result<(), Box<dyn StdError + Send + Sync>> {
        pool.map(fails, [0])?;
        Ok(())
    }
    fn item(pool: &Pool) -> parproc::Result<Vec<Stubborn>> {
        let outcomes = pool.outcomes(fails, [3, 0])?;
        Ok(outcomes.into_iter().collect::<Result<_, TaskError>>()?)
    }
    in_time(|| {
        let pool = pool(1);
        let boxed = call(&pool).unwrap_err();
        assert!(boxed.downcast_ref::<Error>().expect("our error").is_task());
        let error = item(&pool).unwrap_err();
        assert_eq!(error.task().unwrap().index(), 1);
    });
}

#[test]
fn an_error_of_try_map_names_the_item() {
    in_time(|| {
        let pool = pool(1);
        let error = pool.try_map(parse, ["1", "x"]).unwrap_err();
        assert_eq!(error.to_string(), "item 1: \"x\" is no number");
        pool.shutdown().unwrap();
        let error = pool.try_map(parse, ["1"]).unwrap_err();
        assert_eq!(error.index(), None);
        assert!(error.to_string().contains("closed"), "{error}");
    });
}

#[test]
fn everything_can_be_sent_and_shared_that_should_be() {
    fn send<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    fn error<T: StdError + Send + Sync + 'static>() {}
    fn check<F: parproc::Function<u8, M, Output: Send>, M>(_function: F) {
        send::<Imap<F, u8, M, std::vec::IntoIter<u8>>>();
        send::<ImapUnordered<F, u8, M, std::vec::IntoIter<u8>>>();
        shared::<Job<'static, F>>();
    }
    check(fails);
    shared::<Pool>();
    shared::<PoolBuilder>();
    shared::<FunctionInfo>();
    shared::<Task<u8>>();
    // The result is made by the thread that joins.
    shared::<Task<*const u8>>();
    error::<Error>();
    error::<TaskError>();
    error::<TryMapError<std::fmt::Error>>();
}

//! Values whose `Drop` panics in a worker: the panic is that of their item, and all others keep their results.

use std::fmt::Debug;
use std::panic::panic_any;

use parproc::{Task, TaskError, parallel, worker};
use parproc_tests::{in_time, pool};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const ITEMS: u64 = 40;

/// Panics in the worker when it is dropped, if its number is divisible by ten and nothing panics already.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Loud(u64);

impl Drop for Loud {
    fn drop(&mut self) {
        let here = worker::id().is_some() && !std::thread::panicking();
        assert!(!here || !self.0.is_multiple_of(10), "dropped {}", self.0);
    }
}

#[parallel]
fn loud_result(x: u64) -> Loud {
    Loud(x)
}

#[parallel]
fn loud_argument(loud: &Loud) -> u64 {
    !loud.0
}

#[parallel]
fn both(loud: &Loud, x: u64) -> (Loud, u64) {
    (Loud(loud.0 + 1), x)
}

#[parallel]
fn many(louds: &[Loud]) -> usize {
    louds.len()
}

struct Keeper;

#[parallel]
impl Keeper {
    fn new() -> Self {
        Keeper
    }

    fn number(&mut self, loud: &Loud) -> u64 {
        loud.0
    }
}

/// What a panic carries, and that panics as well when it is dropped; and so does what that carries.
struct Endless(u32);

impl Drop for Endless {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Endless(self.0 - 1));
        }
    }
}

#[parallel]
fn panics_with(x: u64) -> u64 {
    if x.is_multiple_of(10) {
        panic_any(Endless(3));
    }
    !x
}

/// Each item has its own value, or, if it is one of ten, the panic with that message.
fn are_right<R: Debug + PartialEq>(
    results: impl IntoIterator<Item = Result<R, TaskError>>,
    right: impl Fn(u64) -> R,
    message: impl Fn(u64) -> String,
) {
    let mut count = 0;
    for (x, result) in (0_u64..).zip(results) {
        match result {
            Ok(result) => assert!(
                !x.is_multiple_of(10) && result == right(x),
                "{x}: {result:?}"
            ),
            Err(error) => {
                assert!(x.is_multiple_of(10), "{x}: {error}");
                assert_eq!(error.panic_message(), Some(&*message(x)), "{x}: {error}");
            }
        }
        count += 1;
    }
    assert_eq!(count, ITEMS);
}

fn dropped(x: u64) -> String {
    format!("dropped {x}")
}

fn louds() -> Vec<Loud> {
    (0..ITEMS).map(Loud).collect()
}

#[test]
fn a_result_that_panics_when_it_is_dropped_is_the_panic_of_its_item() {
    in_time(|| {
        let pool = pool(1);
        for chunk in [1, 7, 100] {
            let job = pool.job(loud_result).chunk_size(chunk);
            are_right(job.outcomes(0..ITEMS).unwrap(), Loud, dropped);
        }
        let spawned = (0..ITEMS).map(|x| pool.spawn(loud_result, x).unwrap());
        let tasks: Vec<_> = spawned.collect();
        are_right(tasks.into_iter().map(outcome), Loud, dropped);
    });
}

#[test]
fn a_lent_argument_that_panics_when_it_is_dropped_is_the_panic_of_its_item() {
    in_time(|| {
        let pool = pool(1);
        for chunk in [1, 7, 100] {
            let job = pool.job(loud_argument).chunk_size(chunk);
            are_right(job.outcomes(&louds()).unwrap(), |x| !x, dropped);
        }
        let lists: Vec<_> = (0..ITEMS).map(|x| vec![Loud(1), Loud(x)]).collect();
        let results = pool.job(many).outcomes(lists.iter().map(|list| &list[..]));
        are_right(results.unwrap(), |_| 2, dropped);
        let spawned = louds()
            .into_iter()
            .map(|loud| pool.spawn(loud_argument, &loud).unwrap());
        let tasks: Vec<_> = spawned.collect();
        are_right(tasks.into_iter().map(outcome), |x| !x, dropped);
    });
}

#[test]
fn a_call_with_two_that_can_panic_has_one_panic() {
    in_time(|| {
        let pool = pool(1);
        let items = louds();
        let items = items.iter().map(|loud| (loud, 5));
        let results = pool.job(both).outcomes(items).unwrap();
        for (x, result) in (0_u64..).zip(results) {
            match (x % 10, result) {
                (0, Err(error)) => assert_eq!(error.panic_message(), Some(&*dropped(x))),
                (9, Err(error)) => assert_eq!(error.panic_message(), Some(&*dropped(x + 1))),
                (1..9, Ok(result)) => assert_eq!(result, (Loud(x + 1), 5)),
                (_, result) => panic!("{x}: {result:?}"),
            }
        }
    });
}

#[test]
fn an_argument_of_an_actor_that_panics_when_it_is_dropped_is_the_panic_of_its_call() {
    in_time(|| {
        let keeper = Keeper::builder().spawn().unwrap();
        let calls: Vec<_> = louds().iter().map(|loud| keeper.number(loud)).collect();
        are_right(calls.into_iter().map(outcome), |x| x, dropped);
    });
}

#[test]
fn a_panic_whose_value_panics_again_and_again_is_one_panic() {
    in_time(|| {
        let results = pool(1).job(panics_with).outcomes(0..ITEMS).unwrap();
        are_right(results, |x| !x, |_| "a value that is no text".to_owned());
    });
}

fn outcome<R: Serialize + DeserializeOwned + 'static>(task: Task<R>) -> Result<R, TaskError> {
    task.join()
        .map_err(|error| error.task().expect("an error of the task").clone())
}

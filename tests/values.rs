//! Arguments and results on their way: of every kind and size, and such as cannot be sent or read.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt::Debug;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use parproc::{Pool, TaskError, parallel};
use parproc_tests::{in_time, inline_pool, pool, within};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MIB: usize = 1 << 20;

#[parallel]
fn pid() -> u32 {
    process::id()
}

#[parallel(for(T = [
    Vec<u8>, Vec<u64>, Vec<f64>, Vec<i128>, Vec<bool>, Vec<char>, Vec<String>, String, f32, u128, usize, bool, char,
    Block, Everything
]))]
fn echo<T: Debug>(value: T) -> T {
    value
}

#[parallel]
fn mixed(tag: u8, bytes: Vec<u8>, text: String, words: &[u64], end: &str) -> (u8, usize, u64) {
    let bytes: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    (
        tag,
        text.len() + end.len(),
        bytes + words.iter().sum::<u64>(),
    )
}

#[parallel]
fn copied(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// A struct with much in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Block {
    name: String,
    words: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    unit: (),
    text: Cow<'static, str>,
    map: HashMap<String, Vec<Option<i64>>>,
    queue: VecDeque<u8>,
    set: BTreeSet<char>,
    boxed: Box<[u16]>,
    path: PathBuf,
    time: Duration,
    address: IpAddr,
    floats: (f32, f64),
    bytes: [u8; 32],
}

/// Cannot be written if it holds true.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Unsendable(bool);

impl Serialize for Unsendable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 {
            Err(S::Error::custom("it does not want to be sent"))
        } else {
            serializer.serialize_newtype_struct("Unsendable", &self.0)
        }
    }
}

/// Cannot be read if it holds true.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Unreadable(bool);

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Err(D::Error::custom("it does not want to be read"))
        } else {
            Ok(Self(false))
        }
    }
}

/// Reads less than it writes if it holds true.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wordy(bool);

impl Serialize for Wordy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let more = if self.0 { "three" } else { "" };
        (self.0, more).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Wordy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The length of the empty text is one byte as well.
        <(bool, u8)>::deserialize(deserializer).map(|(wordy, _)| Self(wordy))
    }
}

/// Reads more than it writes if it holds true.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Greedy(bool);

impl<'de> Deserialize<'de> for Greedy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Greedy;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("as much as there is")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut parts: A,
            ) -> Result<Greedy, A::Error> {
                let greedy = parts.next_element()? == Some(true);
                while greedy && parts.next_element::<u64>()?.is_some() {}
                Ok(Greedy(greedy))
            }
        }
        deserializer.deserialize_tuple(100, Visitor)
    }
}

/// Fails with a reason of this length.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct LongReason(usize);

impl Serialize for LongReason {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("x".repeat(self.0)))
    }
}

/// Panics while it is written, or while it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Explosive {
    Never,
    Written,
    Read,
}

impl Serialize for Explosive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(*self, Self::Written, "exploded while written");
        (*self == Self::Read).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let explode = bool::deserialize(deserializer)?;
        assert!(!explode, "exploded while read");
        Ok(Self::Never)
    }
}

#[parallel(for(T = [Unsendable, Unreadable, Wordy, Greedy, Explosive]))]
fn takes<T>(value: T, before: u32, after: Vec<u8>) -> u32 {
    drop((value, after));
    before
}

#[parallel]
fn gives_unsendable(bad: bool) -> Unsendable {
    Unsendable(bad)
}

#[parallel]
fn gives_unreadable(bad: bool) -> Unreadable {
    Unreadable(bad)
}

#[parallel]
fn gives_wordy(bad: bool) -> Wordy {
    Wordy(bad)
}

#[parallel]
fn gives_greedy(bad: bool) -> Greedy {
    Greedy(bad)
}

#[parallel]
fn gives_long_reason(bytes: usize) -> LongReason {
    LongReason(bytes)
}

#[parallel]
fn gives_explosive(how: u8) -> Explosive {
    match how {
        0 => Explosive::Never,
        1 => Explosive::Written,
        _ => Explosive::Read,
    }
}

/// A large value that cannot be read.
#[parallel]
fn gives_large_unreadable(bad: bool) -> (String, Unreadable) {
    ("x".repeat(MIB), Unreadable(bad))
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

fn comes_back<T>(pool: &Pool, value: &T)
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + 'static,
{
    // Values can be too large to be printed.
    assert!(pool.map(echo::<T>, [value.clone()]).unwrap() == [value.clone()]);
}

/// The single worker's id.
fn worker(pool: &Pool) -> u32 {
    pool.map(pid, [()]).unwrap()[0]
}

#[test]
fn values_of_every_kind() {
    in_time(|| {
        let pool = pool(2);
        assert_eq!(
            pool.map(echo::<f32>, [f32::INFINITY, -0.0]).unwrap(),
            [f32::INFINITY, -0.0]
        );
        assert!(pool.map(echo::<f32>, [f32::NAN]).unwrap()[0].is_nan());
        assert_eq!(pool.map(echo::<u128>, [u128::MAX]).unwrap(), [u128::MAX]);
        assert_eq!(pool.map(echo::<usize>, [usize::MAX]).unwrap(), [usize::MAX]);
        assert_eq!(
            pool.map(echo::<bool>, [true, false]).unwrap(),
            [true, false]
        );
        assert_eq!(
            pool.map(echo::<char>, ['a', '\u{10ffff}']).unwrap(),
            ['a', '\u{10ffff}']
        );
        let text = "é\0\u{1f980}".to_owned();
        assert_eq!(pool.map(echo::<String>, [text.clone()]).unwrap(), [text]);
        for empty in [
            pool.map(echo::<Vec<u64>>, [vec![]]),
            pool.map(echo::<Vec<u64>>, []),
        ] {
            assert!(empty.unwrap().concat().is_empty());
        }
        let wide = vec![i128::MIN, 0, i128::MAX];
        assert_eq!(pool.map(echo::<Vec<i128>>, [wide.clone()]).unwrap(), [wide]);
        let flags = vec![true, false, true];
        assert_eq!(
            pool.map(echo::<Vec<bool>>, [flags.clone()]).unwrap(),
            [flags]
        );
        let letters = vec!['x', 'ß'];
        assert_eq!(
            pool.map(echo::<Vec<char>>, [letters.clone()]).unwrap(),
            [letters]
        );

        let everything = Everything {
            unit: (),
            text: Cow::Borrowed("lent"),
            map: HashMap::from([("k".to_owned(), vec![None, Some(i64::MIN)])]),
            queue: VecDeque::from([1, 2, 3]),
            set: BTreeSet::from(['z', 'a']),
            boxed: Box::new([1, 65535]),
            path: PathBuf::from("/a/b"),
            time: Duration::new(5, 7),
            address: IpAddr::from([127, 0, 0, 1]),
            floats: (1.5, f64::MAX),
            bytes: [7; 32],
        };
        let back = pool.map(echo::<Everything>, [everything.clone()]).unwrap();
        assert_eq!(back, [everything]);
    });
}

#[test]
fn sizes_around_every_threshold() {
    within(Duration::from_secs(60), || {
        let pool = pool(2);
        for around in [
            0_usize,
            1 << 7,
            1 << 14,
            32 << 10,
            64 << 10,
            128 << 10,
            256 << 10,
            1 << 20,
            1 << 21,
        ] {
            for len in (around..around + 3).chain((around.saturating_sub(40)..around).step_by(7)) {
                let value = bytes(len);
                let same = pool.map(echo::<Vec<u8>>, [value.clone()]).unwrap();
                assert!(same == [value], "{len} bytes");
                let text = "y".repeat(len);
                let same = pool.map(echo::<String>, [text.clone()]).unwrap();
                assert!(same == [text], "{len} letters");
            }
        }
    });
}

#[test]
fn one_mebibyte_and_64() {
    within(Duration::from_secs(120), || {
        let pool = pool(2);
        for size in [MIB, 64 * MIB] {
            let value = bytes(size);
            comes_back(&pool, &value);
            let floats: Vec<f64> = (0..size / 8).map(|index| index as f64).collect();
            comes_back(&pool, &floats);
            let text = "z".repeat(size);
            comes_back(&pool, &text);
            let texts = vec!["w".repeat(size / 64); 64];
            comes_back(&pool, &texts);
        }
        let many = vec!["many short ones".to_owned(); 100_000];
        comes_back(&pool, &many);
        // Not copied whole but element by element, which debug builds do slowly.
        let block = Block {
            name: "big".to_owned(),
            words: (0..2_000_000).collect(),
        };
        comes_back(&pool, &block);
    });
}

#[test]
fn owned_and_lent_vectors_are_the_same() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            for len in [10, 40_000, MIB] {
                let value = bytes(len);
                let owned = pool.map(echo::<Vec<u8>>, [value.clone()]).unwrap();
                let lent = pool.map(copied, [&value[..]]).unwrap();
                assert!(owned == lent && owned[0] == value);
            }
        }
    });
}

#[test]
fn many_items_of_100_kib() {
    within(Duration::from_secs(60), || {
        let pool = pool(2);
        let value = bytes(100 << 10);
        let count = 500;
        let same = pool.imap(echo::<Vec<u8>>, (0..count).map(|_| value.clone()));
        let same = same.unwrap().map(Result::unwrap);
        assert_eq!(same.inspect(|same| assert!(*same == value)).count(), count);
        let texts = vec!["t".repeat(100 << 10); 300];
        assert!(pool.map(echo::<String>, texts.clone()).unwrap() == texts);
    });
}

#[test]
fn large_and_small_arguments_side_by_side() {
    within(Duration::from_secs(60), || {
        for pool in [pool(2), inline_pool()] {
            let words: Vec<u64> = vec![3; 50_000];
            let item = |index: usize| {
                let large = |which: usize| if index % 3 == which { 50_000 } else { 5 };
                let bytes = vec![1_u8; large(0)];
                let text = "t".repeat(large(1));
                (index as u8, bytes, text, &words[..large(2)], "end")
            };
            for chunk_size in [1, 3, 100] {
                let results = pool
                    .job(mixed)
                    .chunk_size(chunk_size)
                    .map((0..60).map(item));
                for (index, (tag, letters, sum)) in results.unwrap().into_iter().enumerate() {
                    let (_, bytes, text, words, end) = item(index);
                    assert_eq!(usize::from(tag), index);
                    assert_eq!(letters, text.len() + end.len());
                    assert_eq!(sum, bytes.len() as u64 + 3 * words.len() as u64);
                }
            }
        }
    });
}

#[test]
fn three_gibibytes() {
    #[parallel]
    fn sum_of(bytes: Vec<u8>) -> (usize, u64) {
        // In a worker that was built without optimisation a loop over all of it would take long.
        let sum = bytes
            .iter()
            .step_by(4096)
            .map(|byte| u64::from(*byte))
            .sum();
        (bytes.len(), sum)
    }
    #[parallel]
    fn make(len: usize) -> Vec<u8> {
        vec![7; len]
    }
    const LEN: usize = 3 << 30;

    if std::env::var("PARPROC_TEST_HUGE").as_deref() != Ok("1") {
        return;
    }
    let info = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = info.lines().find(|line| line.starts_with("MemAvailable:"));
    let free: usize = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    if free < 8 << 20 {
        println!("not enough memory for 3 GiB in two processes: {free} KiB are free");
        return;
    }
    within(Duration::from_secs(300), || {
        let pool = pool(1);
        let value = vec![7_u8; LEN];
        let expected = (LEN, 7 * (LEN as u64 / 4096));
        assert_eq!(pool.map(sum_of, [value]).unwrap(), [expected]);
        let made = pool.map(make, [LEN]).unwrap();
        assert_eq!(made[0].len(), LEN);
        assert!(made[0].iter().step_by(4096).all(|byte| *byte == 7));
    });
}

/// Runs [good, bad, good] in one worker; the bad one has to fail and the worker to stay.
fn one_fails<R: Debug + PartialEq>(
    run: impl Fn(&Pool, [bool; 3]) -> parproc::Result<Vec<Result<R, TaskError>>>,
    good: &R,
) -> Vec<TaskError> {
    let pools = [pool(1), inline_pool()];
    let fail = |pool: &Pool| {
        let before = worker(pool);
        let mut outcomes = run(pool, [false, true, false]).unwrap();
        assert_eq!(outcomes.remove(2).as_ref().unwrap(), good);
        let error = outcomes.remove(1).unwrap_err();
        assert_eq!(outcomes.remove(0).as_ref().unwrap(), good);
        assert_eq!(error.index(), 1);
        assert!(!error.is_crash() && !error.is_panic() && !error.is_cancelled());
        assert_eq!(worker(pool), before, "no worker is lost");
        error
    };
    pools.iter().map(fail).collect()
}

/// The error says the type and the reason.
fn explains(error: &TaskError, type_name: &str, reason: &str) {
    let text = error.to_string();
    assert!(text.contains(type_name) && text.contains(reason), "{text}");
    assert!(text.contains("values::"), "{text}");
}

/// [`one_fails`] for [`takes`]; behind the bad argument stands a short one and a long one.
fn one_argument_fails<T: Serialize>(
    pass: impl Fn(&Pool, Vec<(T, u32, Vec<u8>)>) -> parproc::Result<Vec<Result<u32, TaskError>>>,
    value: impl Fn(bool) -> T,
) -> Vec<TaskError> {
    let fail = |len: usize| {
        let item = |bad| (value(bad), 5, vec![1; len]);
        one_fails(|pool, bad| pass(pool, bad.map(item).into()), &5)
    };
    [10, 40_000, 400_000].into_iter().flat_map(fail).collect()
}

#[test]
fn an_argument_that_cannot_be_encoded() {
    in_time(|| {
        let errors = one_argument_fails(
            |pool, items| pool.outcomes(takes::<Unsendable>, items),
            Unsendable,
        );
        for error in errors {
            assert!(error.is_encode() && !error.is_decode());
            assert_eq!(error.pid(), None, "it never came to a worker");
            explains(&error, "values::Unsendable", "it does not want to be sent");
        }
    });
}

#[test]
fn an_argument_that_cannot_be_encoded_fails_a_spawn_at_once() {
    in_time(|| {
        let error = pool(1)
            .spawn(takes::<Unsendable>, (Unsendable(true), 1, vec![]))
            .unwrap_err();
        let task = error.task().expect("an item failed");
        assert!(task.is_encode());
        explains(task, "values::Unsendable", "it does not want to be sent");
    });
}

#[test]
fn a_result_that_cannot_be_encoded() {
    in_time(|| {
        let run = |pool: &Pool, bad| pool.outcomes(gives_unsendable, bad);
        for error in one_fails(run, &Unsendable(false)) {
            assert!(error.is_encode() && !error.is_decode());
            explains(&error, "values::Unsendable", "it does not want to be sent");
        }
    });
}

#[test]
fn an_argument_that_cannot_be_decoded() {
    in_time(|| {
        let errors = one_argument_fails(
            |pool, items| pool.outcomes(takes::<Unreadable>, items),
            Unreadable,
        );
        for error in errors {
            assert!(error.is_decode() && !error.is_encode());
            explains(&error, "values::Unreadable", "it does not want to be read");
        }
    });
}

#[test]
fn a_result_that_cannot_be_decoded() {
    in_time(|| {
        let run = |pool: &Pool, bad| pool.outcomes(gives_unreadable, bad);
        for error in one_fails(run, &Unreadable(false)) {
            assert!(error.is_decode() && !error.is_encode());
            explains(&error, "values::Unreadable", "it does not want to be read");
        }
    });
}

#[test]
fn a_large_result_that_cannot_be_decoded() {
    in_time(|| {
        let run = |pool: &Pool, bad| pool.outcomes(gives_large_unreadable, bad);
        let good = ("x".repeat(MIB), Unreadable(false));
        let errors = one_fails(run, &good);
        for error in &errors {
            assert!(error.is_decode());
            explains(error, "values::Unreadable", "it does not want to be read");
        }
        assert!(errors[0].pid().is_some(), "a worker ran it");
    });
}

#[test]
fn a_type_that_reads_less_than_it_writes() {
    in_time(|| {
        let run = |pool: &Pool, bad| pool.outcomes(gives_wordy, bad);
        let mut errors = one_fails(run, &Wordy(false));
        errors.extend(one_argument_fails(
            |pool, items| pool.outcomes(takes::<Wordy>, items),
            Wordy,
        ));
        for error in errors {
            assert!(error.is_decode());
            explains(&error, "values::Wordy", "5 bytes were left over");
        }
    });
}

#[test]
fn a_type_that_reads_more_than_it_writes() {
    in_time(|| {
        let run = |pool: &Pool, bad| pool.outcomes(gives_greedy, bad);
        let mut errors = one_fails(run, &Greedy(false));
        errors.extend(one_argument_fails(
            |pool, items| pool.outcomes(takes::<Greedy>, items),
            Greedy,
        ));
        for error in errors {
            assert!(error.is_decode());
            explains(&error, "values::Greedy", "");
        }
    });
}

#[test]
fn a_long_reason_costs_no_worker() {
    in_time(|| {
        let pool = pool(1);
        let before = worker(&pool);
        for len in [1000, 50_000, 70_000, 3 * MIB] {
            let outcome = pool.outcomes(gives_long_reason, [len]).unwrap().remove(0);
            let error = outcome.unwrap_err();
            assert!(error.is_encode(), "{len}: {:.200}", error.to_string());
            assert!(error.to_string().contains("xxxx"));
            assert_eq!(worker(&pool), before);
        }
    });
}

#[test]
fn items_that_cannot_be_encoded_end_an_endless_map() {
    in_time(|| {
        let items = (0..).map(|x| {
            assert!(x < 1_000_000, "it reads on and on");
            (Unsendable(true), 1, vec![])
        });
        let error = pool(2).map(takes::<Unsendable>, items).unwrap_err();
        let task = error.task().expect("an item failed");
        assert!(task.is_encode() && task.index() == 0, "{error}");
    });
}

#[test]
fn lazy_calls_over_items_that_cannot_be_encoded_read_no_more_than_allowed() {
    in_time(|| {
        let read = std::cell::Cell::new(0);
        let items = (0..).map(|_| {
            read.set(read.get() + 1);
            (Unsendable(true), 1, vec![])
        });
        let pool = pool(2);
        let job = pool.job(takes::<Unsendable>).read_ahead(10);
        for (taken, result) in job.imap(items).unwrap().take(100).enumerate() {
            let error = result.unwrap_err();
            assert!(error.is_encode() && error.index() == taken);
            assert!(read.get() <= taken + 10);
        }
    });
}

#[test]
fn a_panic_while_a_value_is_written_or_read_in_the_worker() {
    in_time(|| {
        for pool in [pool(1), inline_pool()] {
            let before = worker(&pool);
            let outcomes = pool.outcomes(gives_explosive, [0, 1, 0]).unwrap();
            let error = outcomes[1].as_ref().unwrap_err();
            assert!(error.is_panic(), "{error}");
            assert!(
                error
                    .panic_message()
                    .unwrap()
                    .contains("exploded while written")
            );
            assert_eq!(*outcomes[2].as_ref().unwrap(), Explosive::Never);

            let values = [Explosive::Never, Explosive::Read, Explosive::Never];
            let items = values.map(|value| (value, 5, vec![1; 40_000]));
            let outcomes = pool.outcomes(takes::<Explosive>, items).unwrap();
            let error = outcomes[1].as_ref().unwrap_err();
            assert!(
                error
                    .panic_message()
                    .unwrap()
                    .contains("exploded while read")
            );
            assert_eq!(*outcomes[2].as_ref().unwrap(), 5);
            assert_eq!(worker(&pool), before);
        }
    });
}

#[test]
fn a_panic_while_a_value_is_written_or_read_in_the_caller() {
    in_time(|| {
        for pool in [pool(1), inline_pool()] {
            let items = [(Explosive::Written, 5, vec![])];
            let call = AssertUnwindSafe(|| pool.map(takes::<Explosive>, items));
            assert!(catch_unwind(call).is_err(), "as in any other function");
            let call = AssertUnwindSafe(|| pool.map(gives_explosive, [0, 2, 0]));
            assert!(catch_unwind(call).is_err(), "as in any other function");
            assert_eq!(pool.map(gives_explosive, [0]).unwrap(), [Explosive::Never]);
            pool.shutdown().unwrap();
        }
    });
}

//! What a journal is not used for.

use std::fs;
use std::path::Path;
use std::process::Command;

use parproc::{Error, Pool, Shared, SharedArray, parallel};
use parproc_tests::{in_time, inline_pool, pool, program, role, succeeds};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Place, pools, square, value};

#[parallel]
fn cube(x: u64) -> u64 {
    x * x * x
}

#[parallel]
fn read(array: SharedArray<u64>) -> u64 {
    array.get(0).unwrap()
}

#[parallel]
fn share(x: u64) -> Shared<u64> {
    Shared::new(x).unwrap()
}

/// A result of so many bytes.
#[parallel]
fn bytes(count: usize) -> Vec<u8> {
    vec![7; count]
}

fn refusal(error: &Error, reason: &str) {
    assert!(error.is_journal(), "{error}");
    let text = error.to_string();
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_file_of_another_function() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let path = place.path("j");
            pool.job(square)
                .journal(&path)
                .map(place.items(0..3))
                .unwrap();
            let before = fs::read(&path).unwrap();
            let error = pool.job(cube).journal(&path).map(0..3).unwrap_err();
            refusal(
                &error,
                "square`, and this call is of `journal::refused::cube`",
            );
            let error = pool.job(cube).journal(&path).imap(0..3).unwrap_err();
            refusal(
                &error,
                "square`, and this call is of `journal::refused::cube`",
            );
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    });
}

#[test]
fn other_items() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let path = place.path("j");
            let job = || pool.job(cube).journal(&path);
            job().map(0..10).unwrap();
            refusal(&job().map(1..10).unwrap_err(), "item 0 has other arguments");
            refusal(&job().outcomes((0..9).chain([7, 9])).unwrap_err(), "item 9");
            let mut lazy = job().imap((0..5).chain([7])).unwrap();
            let last = lazy.by_ref().find_map(Result::err).unwrap();
            assert!(last.is_cancelled());
            assert!(
                last.to_string().contains("item 5 has other arguments"),
                "{last}"
            );
            assert!(lazy.next().is_none());
            drop(lazy);
            assert_eq!(job().map(0..10).unwrap().len(), 10);
        }
    });
}

#[test]
fn another_seed() {
    in_time(|| {
        let place = Place::new();
        let path = place.path("j");
        let pool = pool(1);
        let job = |seed| pool.job(cube).journal(&path).seed(seed).map(0..3);
        job(1).unwrap();
        job(1).unwrap();
        refusal(
            &job(2).unwrap_err(),
            "the seed 1, and this call has the seed 2",
        );
    });
}

#[test]
fn a_file_in_use() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let path = place.path("j");
            let mut lazy = pool.job(cube).journal(&path).imap(0..).unwrap();
            assert_eq!(lazy.next().unwrap().unwrap(), 0);
            let error = pool.job(cube).journal(&path).map(0..3).unwrap_err();
            refusal(&error, "another call or program uses it");
            drop(lazy);
            pool.job(cube).journal(&path).map(0..3).unwrap();
        }
    });
}

#[test]
fn what_processes_share() {
    in_time(|| {
        for pool in pools() {
            let place = Place::new();
            let array = SharedArray::<u64>::new(1).unwrap();
            let job = pool.job(read).journal(place.path("arguments"));
            refusal(
                &job.map([array]).unwrap_err(),
                "item 0 has arguments that processes share",
            );
            let path = place.path("results");
            let error = pool.job(share).journal(&path).map([1, 2]).unwrap_err();
            refusal(
                &error,
                "results of `journal::refused::share` have in them what processes share",
            );
        }
    });
}

#[test]
fn a_single_task() {
    let place = Place::new();
    let pool = inline_pool();
    let error = pool
        .job(cube)
        .journal(place.path("j"))
        .spawn(3)
        .unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("such as `map`"));
}

#[test]
fn a_place_where_there_can_be_no_file() {
    let pool = inline_pool();
    for path in ["/nowhere/at/all", "/"] {
        let error = pool.job(cube).journal(path).map([3]).unwrap_err();
        assert!(!error.is_journal());
        let text = error.to_string();
        assert!(
            text.contains(&format!("the journal `{path}` could not be opened")),
            "{text}"
        );
    }
}

#[test]
fn a_damaged_file_gives_no_wrong_result() {
    in_time(|| {
        let pool = inline_pool();
        let place = Place::new();
        let path = place.path("j");
        let tally = place.tally.path();
        let items = [0, 1, 5, 8].map(|size| (tally, size));
        let results = pool.job(value).journal(&path).map(items).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(3) {
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(pool.job(value).journal(&path).map(items).unwrap(), results);
            let mut other = whole.clone();
            other[at] ^= 0x20;
            fs::write(&path, &other).unwrap();
            match pool.job(value).journal(&path).map(items) {
                Ok(found) => assert_eq!(found, results),
                Err(error) => assert!(error.is_journal(), "{error}"),
            }
        }
    });
}

/// Two results, the second of which does not fit when files are limited.
fn two(pool: &Pool, path: &Path) -> parproc::Result<Vec<Vec<u8>>> {
    pool.job(bytes).journal(path).map([100, 5000])
}

#[test]
fn a_disk_that_is_full() {
    if let Some(path) = role() {
        let pool = inline_pool();
        let limit = Rlimit {
            current: Some(1024),
            maximum: None,
        };
        setrlimit(Resource::Fsize, limit).unwrap();
        let error = two(&pool, path.as_ref()).unwrap_err();
        assert!(!error.is_journal());
        println!("{error}");
        return;
    }
    in_time(|| {
        let place = Place::new();
        let path = place.path("j");
        let program = program("refused::a_disk_that_is_full", &path);
        let mut limited = Command::new("sh");
        // With the signal ignored a write behind the limit fails, as on a full disk.
        let script = r#"trap "" XFSZ; exec "$0" "$@""#;
        limited
            .args(["-c", script])
            .arg(program.get_program())
            .args(program.get_args());
        for (key, value) in program.get_envs() {
            match value {
                Some(value) => limited.env(key, value),
                None => limited.env_remove(key),
            };
        }
        let said = succeeds(&mut limited);
        assert!(said.contains("could not be written"), "{said}");
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            1024,
            "a part was written"
        );
        let results = two(&inline_pool(), &path).unwrap();
        assert_eq!((results[0].len(), results[1].len()), (100, 5000));
        assert_eq!(two(&inline_pool(), &path).unwrap(), results);
    });
}

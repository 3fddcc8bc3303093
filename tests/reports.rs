//! Errors in programs that report with `anyhow` and `eyre`: each is passed on by `?`, told once, and found again.

use std::process;
use std::time::Duration;

use parproc::channel::{TryRecvError, bounded};
use parproc::sync::Barrier;
use parproc::{Pool, Process, SharedArray, TaskError, TryMapError, parallel};
use parproc_tests::{in_time, pool};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

#[parallel]
fn bad(how: u8) -> u8 {
    match how {
        0 => panic!("bad item"),
        1 => process::exit(9),
        _ => how,
    }
}

/// What cannot travel is told as text, with its causes.
#[parallel]
fn parse(text: &str) -> Result<i32, String> {
    read(text).map_err(|error| format!("{error:#}"))
}

fn read(text: &str) -> anyhow::Result<i32> {
    use anyhow::Context as _;

    text.parse().with_context(|| format!("reading {text:?}"))
}

fn unknown(x: u8) -> u8 {
    x
}

/// Fails in each way that a user of `anyhow` meets.
fn fails(how: u8) -> anyhow::Result<()> {
    let pool = pool(1);
    match how {
        0 => drop(pool.map(bad, [0])?),
        1 => drop(pool.map(bad, [1])?),
        2 => drop(pool.map(unknown, [0])?),
        3 => drop(Pool::builder().workers(0).build()?),
        4 => drop(pool.try_map(parse, ["1", "x"])?),
        5 => drop(pool.try_map(bad_result, [0])?),
        6 => drop(pool.outcomes(bad, [1])?.remove(0)?),
        7 => drop(Process::spawn(bad, 1)?.join()?),
        8 => {
            let (sender, receiver) = bounded::<u8>(1)?;
            drop(receiver);
            sender.send(1)?;
        }
        9 => drop(bounded::<u8>(1)?.1.try_recv()?),
        10 => drop(SharedArray::<u8>::new(3)?.get(3)?),
        11 => {
            let barrier = Barrier::new(2)?;
            barrier.abort()?;
            barrier.wait()?;
        }
        12 => {
            let deadline = pool.job(bad).deadline(Duration::ZERO);
            deadline.map(0..200)?;
        }
        13 => drop(
            Pool::builder()
                .current_dir("/nowhere")
                .build()?
                .map(bad, [2])?,
        ),
        14 => drop(pool.map(stubborn, [()])?),
        15 => {
            Process::spawn(stubborn, ())?.join()?;
        }
        _ => return Ok(()),
    }
    anyhow::bail!("it worked")
}

#[parallel]
fn bad_result(how: u8) -> Result<u8, String> {
    Ok(bad(how))
}

/// Cannot be written.
#[derive(Debug, Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("it stays where it is"))
    }
}

#[parallel]
fn stubborn() -> Stubborn {
    Stubborn
}

const WAYS: std::ops::Range<u8> = 0..16;

#[test]
fn each_error_is_passed_on_and_told_once() {
    in_time(|| {
        fails(u8::MAX).unwrap();
        for how in WAYS {
            let error = fails(how).unwrap_err();
            let links: Vec<_> = error.chain().map(ToString::to_string).collect();
            println!("{how}: {error:#}");
            assert_ne!(links[0], "it worked", "{how}");
            assert!(!links[0].is_empty());
            for (outer, inner) in links.iter().zip(&links[1..]) {
                assert!(!outer.contains(inner.as_str()), "twice: {error:#}");
            }
            let with_context = error.context("computing");
            let told = format!("{with_context:#}");
            assert!(
                told.starts_with(&format!("computing: {}", links[0])),
                "{told}"
            );
        }
    });
}

#[test]
fn an_error_is_found_again_in_a_report() {
    in_time(|| {
        let error = fails(0).unwrap_err().context("computing");
        let ours = error.downcast_ref::<parproc::Error>().unwrap();
        assert_eq!(ours.task().unwrap().panic_message(), Some("bad item"));
        let error = fails(6).unwrap_err().context("computing");
        let ours = error.downcast_ref::<TaskError>().unwrap();
        assert_eq!(ours.exit_code(), Some(9));
        let error = fails(4).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "item 1: reading \"x\": invalid digit found in string"
        );
        match error.downcast::<TryMapError<String>>().unwrap() {
            TryMapError::Item { index, .. } => assert_eq!(index, 1),
            other => panic!("{other}"),
        }
        let error = fails(9).unwrap_err();
        assert!(error.is::<TryRecvError>());
    });
}

#[test]
fn eyre_takes_the_same_errors() {
    use eyre::WrapErr as _;

    fn fails() -> eyre::Result<Vec<u8>> {
        pool(1).map(bad, 0..3).wrap_err("computing")
    }

    fn tries() -> eyre::Result<Vec<i32>> {
        Ok(pool(1).try_map(parse, ["x"])?)
    }

    in_time(|| {
        let error = fails().unwrap_err();
        let told = format!("{error:#}");
        assert!(
            told.starts_with("computing: `reports::bad`, item 0: "),
            "{told}"
        );
        let ours = error.downcast_ref::<parproc::Error>().unwrap();
        assert!(ours.task().unwrap().is_panic());
        let told = format!("{:#}", tries().unwrap_err());
        assert_eq!(told, "item 0: reading \"x\": invalid digit found in string");
    });
}

/// Where an error goes that is another thread's.
#[test]
fn errors_go_to_other_threads() {
    fn check<T: std::error::Error + Send + Sync + 'static>() {}
    check::<parproc::Error>();
    check::<TaskError>();
    check::<TryMapError<String>>();
    check::<TryMapError<std::num::ParseIntError>>();
    check::<parproc::shared::ArrayError>();
    check::<parproc::sync::BarrierError>();
    check::<parproc::channel::SendError<u8>>();
    check::<parproc::channel::RecvError>();
}

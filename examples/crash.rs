//! Tasks that panic, abort, write through a wild pointer, overflow the stack, exit and are killed,
//! among good ones.
//!
//! `cargo run --release --example crash`
//!
//! It prints a table: what each task did, the worker that ran it if it went wrong, and what came of
//! it. A bad task fails alone: the others give their results, a worker that died is replaced, and the
//! program goes on to its end.

#![expect(unsafe_code, reason = "one task writes through a wild pointer")]

use std::fmt::Display;
use std::hint::black_box;
use std::process;

use parproc::{Pool, TaskError, parallel};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Deed {
    Work,
    Panic,
    Abort,
    WildWrite,
    OverflowStack,
    Exit,
    GetKilled,
}

#[parallel]
fn perform(deed: Deed) -> u64 {
    match deed {
        Deed::Work => return (1..=20).product(),
        Deed::Panic => panic!("the cat walked over the keyboard"),
        Deed::Abort => process::abort(),
        Deed::WildWrite => {
            let wild = std::ptr::without_provenance_mut::<u8>(0xbad);
            // SAFETY: there is none: this is the mistake that the worker dies of. Nothing is ever
            // mapped in the first page.
            unsafe { wild.write_volatile(1) };
        }
        Deed::OverflowStack => return depth(0),
        Deed::Exit => process::exit(7),
        Deed::GetKilled => kill_process(getpid(), Signal::KILL).expect("it may signal itself"),
    }
    unreachable!("the worker is gone")
}

/// Recursion without an end that the compiler could see.
fn depth(level: u64) -> u64 {
    let frame = black_box([level; 64]);
    if frame[0] == u64::MAX {
        return 0;
    }
    depth(level + 1) + black_box(frame)[1]
}

fn reason(error: &TaskError) -> String {
    if let Some(message) = error.panic_message() {
        let place = error.panic_location().unwrap_or("an unknown place");
        format!("panic at {place}: {message}")
    } else if error.is_stack_overflow() {
        "stack overflow".to_owned()
    } else if let (Some(signal), Some(address)) = (error.signal(), error.fault_address()) {
        format!("signal {signal} at address {address:#x}")
    } else if let Some(signal) = error.signal() {
        format!("signal {signal}")
    } else if let Some(code) = error.exit_code() {
        format!("exit code {code}")
    } else {
        error.to_string()
    }
}

fn print_row(item: impl Display, deed: impl Display, worker: impl Display, outcome: impl Display) {
    println!("{item:>4}  {deed:<13}  {worker:>7}  {outcome}");
}

fn main() -> parproc::Result<()> {
    let deeds = [
        Deed::Work,
        Deed::Panic,
        Deed::Work,
        Deed::Abort,
        Deed::WildWrite,
        Deed::Work,
        Deed::OverflowStack,
        Deed::Exit,
        Deed::Work,
        Deed::GetKilled,
        Deed::Work,
    ];
    let pool = Pool::builder().workers(2).build()?;
    let outcomes = pool.outcomes(perform, deeds)?;

    print_row("item", "deed", "worker", "outcome");
    for (item, (deed, outcome)) in deeds.iter().zip(&outcomes).enumerate() {
        let deed = format!("{deed:?}");
        match outcome {
            Ok(value) => print_row(item, deed, "", value),
            Err(error) => {
                let worker = error.pid().map_or_else(String::new, |pid| pid.to_string());
                print_row(item, deed, worker, reason(error));
            }
        }
    }

    let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    println!(
        "\n{good} of {} tasks gave their result, and process {} that asked for them is alive.",
        deeds.len(),
        process::id()
    );
    Ok(())
}

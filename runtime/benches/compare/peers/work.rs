//! What a worker of a peer is asked, and what it answers.

use std::hint::black_box;

use parproc::parallel;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Request {
    Step(u64),
    Mix(Vec<u64>),
    Lengths(Vec<String>),
    EchoBytes(Vec<u8>),
    EchoNumbers(Vec<f64>),
    Length(Vec<u8>),
    Walk(u64),
    ProcessId,
    Crash,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Number(u64),
    Numbers(Vec<u64>),
    Bytes(Vec<u8>),
    Floats(Vec<f64>),
}

pub(crate) fn answer(request: Request) -> Reply {
    match request {
        Request::Step(x) => Reply::Number(step(x)),
        Request::Mix(numbers) => Reply::Numbers(numbers.into_iter().map(mix).collect()),
        Request::Lengths(texts) => {
            Reply::Numbers(texts.iter().map(|text| text.len() as u64).collect())
        }
        Request::EchoBytes(bytes) => Reply::Bytes(bytes),
        Request::EchoNumbers(numbers) => Reply::Floats(numbers),
        Request::Length(bytes) => Reply::Number(bytes.len() as u64),
        Request::Walk(steps) => Reply::Number(walk(steps)),
        Request::ProcessId => Reply::Number(u64::from(std::process::id())),
        Request::Crash => super::super::raw::segfault(),
    }
}

impl Reply {
    pub(crate) fn number(self) -> Result<u64, &'static str> {
        match self {
            Reply::Number(number) => Ok(number),
            _ => Err("a reply of another kind"),
        }
    }

    pub(crate) fn numbers(self) -> Result<Vec<u64>, &'static str> {
        match self {
            Reply::Numbers(numbers) => Ok(numbers),
            _ => Err("a reply of another kind"),
        }
    }
}

/// Next to nothing, for round trips and single tasks.
#[parallel]
pub(crate) fn step(x: u64) -> u64 {
    x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}

/// Opaque to the compiler, so that no contestant's loop becomes vector instructions.
#[parallel]
pub(crate) fn mix(x: u64) -> u64 {
    let x = black_box(x);
    (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A walk of xorshift, each step of which needs the one before.
#[parallel]
pub(crate) fn walk(steps: u64) -> u64 {
    let mut x = black_box(88_172_645_463_325_252_u64);
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

//! Channels between processes.

use std::time::Duration;

use parproc::channel::{Receiver, Sender};
use parproc::parallel;
use serde::{Deserialize, Serialize};

#[path = "channel/ends.rs"]
mod ends;
#[path = "channel/forks.rs"]
mod forks;
#[path = "channel/handles.rs"]
mod handles;
#[path = "channel/kills.rs"]
mod kills;
#[path = "channel/limits.rs"]
mod limits;
#[path = "channel/pipes.rs"]
mod pipes;
#[path = "channel/queue.rs"]
mod queue;
#[path = "channel/select.rs"]
mod select;
#[path = "channel/stops.rs"]
mod stops;
#[path = "channel/travel.rs"]
mod travel;
#[path = "channel/values.rs"]
mod values;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(30);

/// Many rounds take longer.
const LONGER: Duration = Duration::from_secs(600);

/// How often to try what hardly ever goes wrong.
fn rounds(few: u32) -> u32 {
    let rounds = std::env::var("PARPROC_TEST_ROUNDS");
    rounds.map_or(few, |rounds| rounds.parse().expect("a number of rounds"))
}

/// A value that serde does not write as it is in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Word {
    text: String,
    number: u32,
}

/// Sends the numbers from 0 on.
#[parallel]
fn counts(to: Sender<u64>, end: u64) {
    for number in 0..end {
        to.send(number).unwrap();
    }
}

/// Sends what it receives, until nobody is left who could send anything.
#[parallel]
fn forwards(from: Receiver<u64>, to: Sender<u64>) {
    for number in from {
        to.send(number).unwrap();
    }
}

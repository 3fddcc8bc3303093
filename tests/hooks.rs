//! Functions that a pool calls in each worker at its start and its end, and what workers keep between
//! tasks.

use std::collections::BTreeSet;
use std::path::Path;
use std::process;

use parproc::{Pool, PoolBuilder, parallel, worker};
use parproc_tests::{Tally, meet, note};

#[path = "hooks/exit.rs"]
mod exit;
#[path = "hooks/failing.rs"]
mod failing;
#[path = "hooks/init.rs"]
mod init;
#[path = "hooks/inline.rs"]
mod inline;

/// What `prepare` keeps for the tasks.
struct Prepared {
    tally: String,
    tasks: usize,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // In an inline pool it outlives the test.
        if Path::new(&self.tally).exists() {
            note(&self.tally, "dropped");
        }
    }
}

#[parallel]
fn prepare(tally: &str) {
    note(tally, format!("init {}", process::id()));
    let tally = tally.to_owned();
    assert!(worker::set_local(Prepared { tally, tasks: 0 }).is_none());
}

/// How many tasks this worker has run, and its process id.
#[parallel]
fn count() -> (usize, u32) {
    let count = |prepared: &mut Prepared| {
        prepared.tasks += 1;
        prepared.tasks
    };
    let tasks = worker::with_local(count).expect("what `prepare` set");
    (tasks, process::id())
}

#[parallel]
fn say_goodbye() {
    worker::with_local(|prepared: &mut Prepared| {
        note(&prepared.tally, format!("exit {}", process::id()));
    });
}

#[parallel]
fn task(x: u32) -> u32 {
    x
}

fn builder(workers: usize) -> PoolBuilder {
    Pool::builder().workers(workers)
}

/// The lines of the tally that begin with `what`, each of which has to be there once.
fn noted(tally: &Tally, what: &str) -> BTreeSet<String> {
    let counts = tally.counts().into_iter();
    let of = counts.filter_map(|(line, count)| {
        let rest = line.strip_prefix(what)?.trim().to_owned();
        assert_eq!(count, 1, "{line}");
        Some(rest)
    });
    of.collect()
}

#[parallel]
fn meet_first(meeting: &str) {
    meet(meeting, 0);
}

#[parallel]
fn aborts() {
    process::abort();
}

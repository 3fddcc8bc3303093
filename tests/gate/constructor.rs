//! A constructor that ends every worker makes the pool give up, with the reason.

use std::process::Command;

use crate::programs::program;
use crate::run::run;

/// Workers that one call may cost: three tries, and those that were started beside them.
const MOST_STARTS: usize = 3 + 2;

fn assert_gives_up(ending: &str, reason: &str) {
    let ended = run(Command::new(program("constructor")).arg(ending));
    let error = format!("start true: no worker could be started: a new worker {reason}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(
        lines.iter().all(|line| line.starts_with(&error)),
        "{ended:?}"
    );
    let starts = ended.stderr.matches("constructor\n").count();
    assert!((1..=2 * MOST_STARTS).contains(&starts), "{ended:?}");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_constructor_that_aborts_is_reported() {
    assert_gives_up("abort", "was ended by signal 6 (SIGABRT, an abort)");
}

#[test]
fn a_constructor_that_exits_is_reported() {
    assert_gives_up("exit", "exited with code 7");
}

#[test]
fn a_constructor_that_returns_does_no_harm() {
    let ended = run(Command::new(program("constructor")).arg("return"));
    let squares = "squares [0, 1, 4, 9, 16]\n".repeat(2);
    assert_eq!(ended.stdout, squares, "{ended:?}");
}

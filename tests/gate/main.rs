//! What a program's `main` does is done once, by the program and by no worker.

use std::io::pipe;
use std::process::Command;

use crate::programs::program;
use crate::run::{LIMIT, Running, run};

/// What a program counts that has started nothing.
const NOTHING: &str = "1 threads, 0 children";

#[test]
fn main_prints_once() {
    let ended = run(&mut Command::new(program("ends")));
    assert_eq!(
        ended.stdout,
        "main begins\nsquares [0, 1, 4, 9, 16]\nmain ends\n"
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn main_exits_with_3() {
    let ended = run(Command::new(program("ends")).arg("exit"));
    assert_eq!(ended.stdout, "main begins\nsquares [0, 1, 4, 9, 16]\n");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), ""));
}

#[test]
fn main_panics() {
    let ended = run(Command::new(program("ends")).arg("panic"));
    assert_eq!(ended.stdout, "main begins\nsquares [0, 1, 4, 9, 16]\n");
    assert_eq!(ended.code, Some(101));
    assert_eq!(ended.stderr.matches("main is through").count(), 1);
    assert_eq!(ended.stderr.matches("panicked at").count(), 1);
}

#[test]
fn a_program_that_uses_no_pool_starts_nothing() {
    let ended = run(&mut Command::new(program("unused")));
    let counts = |when| ended.stdout.lines().find_map(|l| l.strip_prefix(when));
    assert_eq!(counts("at first: "), Some(NOTHING), "{ended:?}");
    // The counting sees what there is.
    assert!(counts("at last: ").is_some_and(|counts| counts != NOTHING));
}

#[test]
fn a_function_without_the_attribute_is_refused_before_a_worker_starts() {
    let ended = run(&mut Command::new(program("unused")));
    let line = |begin| ended.stdout.lines().find_map(|l| l.strip_prefix(begin));
    let refused = line("refused: ").unwrap_or_default();
    for part in ["`dep::plain`", "`#[parallel]`", "`use the_crate as _;`"] {
        assert!(refused.contains(part), "{ended:?}");
    }
    assert_eq!(line("after that: "), Some(NOTHING));
    assert_eq!(line("squares "), Some("[0, 1, 4, 9, 16]"));
}

#[test]
fn a_child_of_a_task_is_an_ordinary_program() {
    let ended = run(&mut Command::new(program("children")));
    assert_eq!(ended.stdout, "main\nthe child was ordinary\n", "{ended:?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_task_that_prints_to_a_closed_pipe_gets_an_error_and_no_signal() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = Command::new(program("prints"));
    let running = Running::start(&mut command, writer.into(), LIMIT);
    let ended = running.end();
    let message = "failed printing to stdout: Broken pipe (os error 32)";
    assert_eq!(
        ended.stderr,
        format!(
            "written false\npanic true, crash false\nmessage Some({message:?})\nthe same worker true\n"
        )
    );
    assert_eq!(ended.code, Some(0));
}

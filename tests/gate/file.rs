//! Workers are the program that runs, whatever became of its file.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::programs::program;
use crate::run::{LIMIT, Running};

const RESULTS: &str = "\
waiting
0 from a worker true
1 from a worker true
4 from a worker true
";

/// Runs the program under a name of its own, and has `change` done to its file before it starts workers.
fn run_while(change: impl FnOnce(&Path)) {
    let original = program("waits");
    let folder = tempfile::tempdir_in(original.parent().unwrap()).unwrap();
    let file = folder.path().join("waits");
    fs::hard_link(original, &file).unwrap();

    let mut running = Running::start(&mut Command::new(&file), Stdio::piped(), LIMIT);
    running.wait_for("waiting");
    change(&file);
    running.type_line("go on");
    let ended = running.end();
    assert_eq!(ended.stdout, RESULTS, "{ended:?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_file_was_deleted() {
    run_while(|file| fs::remove_file(file).unwrap());
}

#[test]
fn the_file_was_replaced_by_another_program() {
    run_while(|file| {
        let other = file.with_extension("new");
        fs::hard_link(program("ends"), &other).unwrap();
        fs::rename(other, file).unwrap();
    });
}

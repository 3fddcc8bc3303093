//! A task starts this same program as an ordinary child of its own.

use std::process::Command;

use parproc::{Pool, parallel};

#[parallel]
fn run_child(argument: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg(argument).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The numbers of the open descriptors, without that of the folder which lists them.
fn descriptors() -> Vec<String> {
    let listed = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    let open = numbers.iter().filter(|path| path.read_link().is_ok());
    let mut names: Vec<_> = open.map(|path| path.display().to_string()).collect();
    names.sort();
    names
}

fn main() {
    let descriptors = descriptors();
    if std::env::args().nth(1).as_deref() == Some("child") {
        print!("the child's main {descriptors:?}");
        return;
    }
    println!("main");
    let pool = Pool::builder().workers(1).build().unwrap();
    // What this program may itself have inherited does not reach its workers.
    let standard = ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"];
    let expected = format!("the child's main {standard:?}");
    for said in pool.map(run_child, ["child"]).unwrap() {
        println!(
            "{}",
            if said == expected {
                "the child was ordinary"
            } else {
                &said
            }
        );
    }
}

//! However a program is compiled and linked, its workers find what they need before they serve.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::{loader, variant};
use crate::run::run;

/// What the program prints, however it is built.
const RESULTS: &str = "\
squares [0, 1, 4, 9, 16]
triples [0, 3, 6, 9, 12]
objects 63 63, in the same process false
functions [\"dep::triple\", \"extra::unnamed\", \"probe::objects\", \"probe::square\"]
";

fn assert_works(program: &Path, build: &str) {
    let ended = run(&mut Command::new(program));
    assert_eq!(ended.stdout, format!("{build}\n{RESULTS}"), "{ended:?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// The line of the program's output that begins with `what`, in dev.
fn line(what: &str) -> String {
    let ended = run(&mut Command::new(variant("probe", "dev", &[], &[])));
    let mut lines = ended.stdout.lines();
    let line = lines.find(|line| line.starts_with(what));
    line.unwrap_or_else(|| panic!("{ended:?}")).to_owned()
}

#[test]
fn a_static_object_of_a_linked_library_is_made_in_a_worker() {
    // The value is 0 without the constructors: that of the first object runs before the gate's, that
    // of the last one behind it.
    assert_eq!(line("objects"), "objects 63 63, in the same process false");
}

#[test]
fn a_function_of_a_dependency_that_is_only_named_runs() {
    assert_eq!(line("triples"), "triples [0, 3, 6, 9, 12]");
}

#[test]
fn a_crate_is_linked_by_the_use_that_the_error_advises() {
    assert!(line("functions").contains("\"extra::unnamed\""));
}

#[test]
fn dev() {
    let program = variant("probe", "dev", &[], &[]);
    assert_works(&program, "checked, panics unwind");
}

#[test]
fn release() {
    let program = variant("probe", "release", &["--release"], &[]);
    assert_works(&program, "unchecked, panics unwind");
}

/// All at once: each of these options has everything built anew.
#[test]
fn fat_lto_that_aborts_on_panic_and_is_stripped() {
    let options = [
        "--release",
        "--config=profile.release.lto='fat'",
        "--config=profile.release.codegen-units=1",
        // All of it is optimised where it is linked.
        "--config=profile.release.package.parproc.opt-level=0",
        "--config=profile.release.panic='abort'",
        "--config=profile.release.strip=true",
    ];
    let program = variant("probe", "fat", &options, &[]);
    assert_works(&program, "unchecked, panics abort");
}

#[test]
fn linked_statically() {
    let found = run(Command::new("cc").arg("-print-file-name=libc.a"));
    if !Path::new(found.stdout.trim_end()).is_absolute() {
        println!("skipped: there is no libc.a");
        return;
    }
    let rustc = ["-Ctarget-feature=+crt-static"];
    let program = variant("probe", "static", &[], &rustc);
    assert_eq!(loader(&program), None);
    assert_works(&program, "checked, panics unwind");
}

#[test]
fn gnu_ld() {
    let program = variant("probe", "bfd", &[], &["-Clink-arg=-fuse-ld=bfd"]);
    assert!(!contains(&program, "Linker: LLD"));
    assert!(!contains(&program, ".note.gnu.gold-version"));
    assert_works(&program, "checked, panics unwind");
}

#[test]
fn gold() {
    if Command::new("ld.gold").arg("--version").output().is_err() {
        println!("skipped: there is no ld.gold");
        return;
    }
    let program = variant("probe", "gold", &[], &["-Clink-arg=-fuse-ld=gold"]);
    assert!(contains(&program, ".note.gnu.gold-version"));
    assert_works(&program, "checked, panics unwind");
}

fn contains(program: &Path, text: &str) -> bool {
    let bytes = fs::read(program).unwrap();
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

//! Where the program that runs is not the one that holds the gate.

use std::path::PathBuf;
use std::process::Command;

use crate::programs::{loader, program, variant};
use crate::run::run;

#[test]
fn a_plugin_refuses_to_start_its_host_again() {
    let plugin = program("libplugin.so");
    let host = plugin.with_file_name("host");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/plugin/host.c");
    let compiled = run(Command::new("cc").args([source, "-ldl", "-o"]).arg(&host));
    assert_eq!(compiled.code, Some(0), "{compiled:?}");

    let ended = run(Command::new(&host).arg(plugin));
    let lines: Vec<_> = ended.stdout.lines().collect();
    // One host has spoken, so there was one.
    let [first, refused, inline] = lines[..] else {
        panic!("{ended:?}");
    };
    assert_eq!(first, "host with 1 argument");
    assert!(refused.starts_with("foreign host true: "), "{refused}");
    let parts = [host.to_str().unwrap(), "`Pool::builder().inline()`"];
    assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
    assert_eq!(inline, "inline Ok([0, 1, 4, 9, 16])");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

/// A program whose parproc is in a Rust `dylib`.
fn linked() -> PathBuf {
    // So that it finds its libraries.
    variant("linked", "dylib", &[], &["-Crpath"])
}

#[test]
fn init_makes_workers_of_a_program_that_has_parproc_in_a_dylib() {
    let ended = run(Command::new(linked()).arg("init"));
    let expected = "main\nsquares [0, 1, 4, 9, 16] from workers true\n";
    assert_eq!(ended.stdout, expected, "{ended:?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_program_that_has_parproc_in_a_dylib_is_told_of_init() {
    let ended = run(&mut Command::new(linked()));
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(
        matches!(lines[..], ["main", error]
            if error.starts_with("foreign host true: ") && error.contains("`parproc::init()`")),
        "{ended:?}"
    );
}

#[test]
fn a_program_that_was_started_through_the_dynamic_loader_does_not_start_the_loader() {
    let program = program("ends");
    let loader = loader(&program).unwrap();
    // The loader takes the program's first argument for another program to load.
    let ended = run(Command::new(loader).arg(&program).arg("/bin/true"));
    assert_eq!(ended.stdout, "main begins\n", "{ended:?}");
    assert!(ended.stderr.contains("the dynamic loader"), "{ended:?}");
    assert_eq!(ended.code, Some(101));
}

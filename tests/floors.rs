//! Imports of the runtime go down the floors only, as DESIGN.md draws them.

use std::fs;
use std::path::Path;

/// Each module with those that it may import, from low to high.
const FLOORS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("error", &["sys"]),
    ("object", &["sys"]),
    ("family", &["sys"]),
    ("arrow", &[]),
    ("ipc", &["object", "sys"]),
    ("wire", &["ipc", "object", "error"]),
    ("shm", &["sys"]),
    ("sync", SHARED),
    (
        "shared",
        &["sync", "wire", "shm", "family", "object", "sys", "error"],
    ),
    (
        "channel",
        &["sync", "wire", "shm", "family", "object", "sys", "error"],
    ),
    ("registry", &["wire", "error"]),
    ("event", &["sys", "error"]),
    ("observe", &["event", "sys", "error"]),
    ("format", &[]),
    ("journal", &["format", "error"]),
    ("task", &["registry", "wire", "shm"]),
    (
        "replay",
        &[
            "task", "registry", "wire", "object", "format", "sys", "error",
        ],
    ),
    ("transport", &["sys", "error"]),
    (
        "worker",
        &[
            "replay", "task", "registry", "wire", "shm", "family", "object", "sys", "error",
        ],
    ),
    ("pool", POOL),
    ("actor", ACTOR),
    ("guide", &[]),
    ("lib", ALL),
];

const SHARED: &[&str] = &["shared", "wire", "shm", "family", "object", "sys", "error"];
const POOL: &[&str] = &[
    "transport",
    "observe",
    "event",
    "worker",
    "replay",
    "task",
    "journal",
    "format",
    "registry",
    "channel",
    "shared",
    "sync",
    "wire",
    "shm",
    "family",
    "object",
    "sys",
    "error",
];
const ACTOR: &[&str] = &[
    "pool", "worker", "registry", "channel", "shared", "sync", "wire", "shm", "family", "object",
    "sys", "error",
];
const ALL: &[&str] = &[
    "transport",
    "observe",
    "event",
    "actor",
    "pool",
    "worker",
    "replay",
    "task",
    "journal",
    "format",
    "registry",
    "channel",
    "shared",
    "sync",
    "ipc",
    "wire",
    "shm",
    "family",
    "object",
    "sys",
    "error",
];

/// The names that stand right behind `crate::` in `code`.
fn imports(code: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = Vec::new();
    for (start, root) in code.match_indices("crate::") {
        let part_of_a_name = code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if part_of_a_name {
            continue;
        }
        let rest = &code[start + root.len()..];
        match rest.trim_start().strip_prefix('{') {
            None => found.push(name(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut expected = true;
                for (at, c) in group.char_indices() {
                    if expected && !c.is_whitespace() && c != '}' {
                        found.push(name(&group[at..]));
                        expected = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => expected = true,
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// The code without its comments.
fn uncommented(code: &str) -> String {
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// What is wrong with the imports of a file at `path`, relative to the folder of sources.
fn faults(path: &str, code: &str) -> Vec<String> {
    let parts: Vec<_> = path.trim_end_matches(".rs").split('/').collect();
    let module = parts[0];
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == module) else {
        return vec![format!(
            "{path}: `{module}` stands on no floor; add it to the table"
        )];
    };
    let code = uncommented(code);
    let mut faults = Vec::new();
    for import in imports(&code) {
        if import != module && module != "lib" && !allowed.contains(&import.as_str()) {
            faults.push(format!("{path}: `{module}` imports `{import}`"));
        }
    }
    // How many steps lead out of the module: `super` of `pool/link.rs` is still in `pool`.
    let depth = parts.iter().filter(|part| **part != "mod").count();
    if code.contains(&"super::".repeat(depth)) && module != "lib" && !code.contains("mod tests {") {
        faults.push(format!(
            "{path}: a path of `super` leaves `{module}`: name it from `crate`"
        ));
    }
    faults
}

fn check_folder(root: &Path, folder: &Path, faults_found: &mut Vec<String>, files: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_folder(root, &path, faults_found, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            faults_found.extend(faults(name, &fs::read_to_string(&path).unwrap()));
            *files += 1;
        }
    }
}

#[test]
fn imports_go_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
    let (mut found, mut files) = (Vec::new(), 0);
    check_folder(&root, &root, &mut found, &mut files);
    assert!(found.is_empty(), "{found:#?}");
    assert!(files > 20, "only {files} files were found");
}

#[test]
fn an_import_that_climbs_is_found() {
    let climbs = [
        ("sys/child.rs", "use crate::error::Error;"),
        ("error/task.rs", "use crate::pool::Pool;"),
        ("wire/encode.rs", "fn f() { crate::sys::now_nanos(); }"),
        (
            "registry/table.rs",
            "use crate::{error::{Error, Result}, pool};",
        ),
        (
            "worker/mod.rs",
            "use crate::{\n    error::{Error, Result},\n    pool::Pool,\n};",
        ),
        ("pool/link.rs", "use crate::Pool;"),
        ("shm/ring.rs", "pub(crate) use crate::wire::Stream;"),
        ("shm/ring.rs", "use super::super::pool::Pool;"),
        ("shm/mod.rs", "use super::pool::Pool;"),
        ("shm/tests/fifo.rs", "use super::super::super::pool::Pool;"),
        ("stray.rs", ""),
    ];
    for (path, code) in climbs {
        assert_eq!(faults(path, code).len(), 1, "{path}: {code}");
    }
}

#[test]
fn imports_that_go_down_are_no_faults() {
    let fine = [
        (
            "pool/link.rs",
            "use crate::shm::Lane;\nuse super::chunk::{Chunk, Delivery};",
        ),
        (
            "pool/mod.rs",
            "use crate::{error::{Error, Result}, sys, wire::{self, Sink}};",
        ),
        ("shm/tests/fifo.rs", "use super::super::ring::Producer;"),
        (
            "sys/mod.rs",
            "//! For [`crate::pool`].\npub(crate) use child::Child;",
        ),
        (
            "error/task.rs",
            "use parproc_crate::pool::Pool; // not crate::pool",
        ),
        ("lib.rs", "pub use crate::pool::Pool;"),
    ];
    for (path, code) in fine {
        assert_eq!(faults(path, code), [""; 0], "{path}: {code}");
    }
}

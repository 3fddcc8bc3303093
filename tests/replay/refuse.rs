//! Files that are not for this program, and programs that are not for this file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use parproc::replay::SavedInput;
use parproc_tests::in_time;
use tempfile::TempDir;

use super::{checks, keeping, replay, replay_here, run, said, stumbles};

const OTHER: &str = env!("CARGO_BIN_EXE_replay_other");

/// The saved input of a call that panics.
fn saved(folder: &TempDir) -> PathBuf {
    let error = keeping(folder)
        .map(stumbles, [vec![12, 13, 14]])
        .unwrap_err();
    error.task().unwrap().saved_input().unwrap().to_owned()
}

/// Asserts that nothing is called, and gives what is said about it.
fn refused(command: &mut Command) -> String {
    let output = run(command);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("parproc: nothing is repeated: "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn any_build(command: &mut Command) -> &mut Command {
    command.env("PARPROC_REPLAY_ANY_BUILD", "1")
}

#[test]
fn damaged_and_foreign_files() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let bytes = fs::read(saved(&folder)).unwrap();
        let path = folder.path().join("changed");
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 4;
        let program = fs::read(OTHER).unwrap();
        let cases: [(&[u8], &str); 5] = [
            (&bytes[..bytes.len() - 1], "cut short"),
            (&bytes[..20], "cut short"),
            (&flipped, "damaged"),
            (b"", "no saved input of parproc"),
            (&program[..1000], "no saved input of parproc"),
        ];
        for (contents, reason) in cases {
            fs::write(&path, contents).unwrap();
            let text = refused(&mut replay_here(&path));
            assert!(text.contains(reason), "{text}");
            assert!(text.contains(path.to_str().unwrap()), "{text}");
        }
        let text = refused(&mut replay_here(&folder.path().join("missing")));
        assert!(text.contains("could not be read"), "{text}");
    });
}

#[test]
fn an_empty_variable_is_none() {
    let mut command = replay(OTHER, Path::new(""));
    let output = run(&mut command);
    assert_eq!(output.stdout, b"main was entered\n");
}

/// The same file with another fingerprint.
fn with_fingerprint(input: &SavedInput, fingerprint: u64) -> Vec<u8> {
    let mut bytes = fs::read(input.path()).unwrap();
    let (old, new) = (varint(input.fingerprint()), varint(fingerprint));
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|some| some == old);
    let at = at.expect("the fingerprint");
    bytes[at..at + new.len()].copy_from_slice(&new);
    let end = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn a_program_with_other_functions() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let input = SavedInput::open(saved(&folder)).unwrap();
        input.check().unwrap();
        let path = folder.path().join("changed");
        fs::write(&path, with_fingerprint(&input, input.fingerprint() ^ 1)).unwrap();
        let text = refused(&mut replay_here(&path));
        assert!(
            text.contains("another build of the program: its functions"),
            "{text}"
        );
        assert!(text.contains("PARPROC_REPLAY_ANY_BUILD=1"), "{text}");
        let error = SavedInput::open(&path).unwrap().check().unwrap_err();
        assert!(error.is_saved_input(), "{error}");
        let output = run(any_build(&mut replay_here(&path)));
        assert_eq!(output.status.code(), Some(101), "it is the same function");
    });
}

/// A copy of this program with another build id, or other contents if it has none.
fn rebuilt(folder: &TempDir) -> PathBuf {
    let mut program = fs::read(std::env::current_exe().unwrap()).unwrap();
    // The lengths of name and contents, the type, and the name of the note.
    let note = |len: u8| {
        let start = [4, 0, 0, 0, len, 0, 0, 0, 3, 0, 0, 0];
        [&start[..], b"GNU\0"].concat()
    };
    let id = [20, 16, 8].into_iter().find_map(|len| {
        let note = note(len);
        let at = program.windows(note.len()).position(|some| some == note)?;
        Some(at + note.len())
    });
    match id {
        Some(id) => program[id] ^= 1,
        None => program.push(0),
    }
    let path = folder.path().join("rebuilt");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_of_another_build_with_the_same_functions() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let file = saved(&folder);
        let rebuilt = rebuilt(&folder);
        let text = refused(&mut replay(&rebuilt, &file));
        assert!(
            text.contains("another build of the program: its build id"),
            "{text}"
        );
        let output = run(any_build(&mut replay(&rebuilt, &file)));
        assert_eq!(output.status.code(), Some(101));
    });
}

#[test]
fn a_copy_of_the_program_is_the_same_build() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let file = saved(&folder);
        let copy = folder.path().join("copy");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let output = run(&mut replay(&copy, &file));
        assert_eq!(output.status.code(), Some(101));
    });
}

#[test]
fn another_program() {
    in_time(|| {
        let folder = TempDir::new().unwrap();
        let pool = keeping(&folder);
        let stumbled = saved(&folder);
        let text = refused(&mut replay(OTHER, &stumbled));
        assert!(text.contains("another build of the program"), "{text}");
        // There the function of the same name does not panic.
        let output = run(any_build(&mut replay(OTHER, &stumbled)));
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.ends_with("parproc: `replay::stumbles` returned: its result has 8 bytes\n"));

        let error = pool.map(checks, ["/nowhere"]).unwrap_err();
        let file = error.task().unwrap().saved_input().unwrap();
        let text = refused(any_build(&mut replay(OTHER, file)));
        assert!(text.contains("it is for `fn checks(path: &str)"), "{text}");
        let error = pool.map(super::ends, [(super::End::Abort, 0)]).unwrap_err();
        let file = error.task().unwrap().saved_input().unwrap();
        let text = refused(any_build(&mut replay(OTHER, file)));
        assert!(text.contains("no function `replay::ends`"), "{text}");
    });
}

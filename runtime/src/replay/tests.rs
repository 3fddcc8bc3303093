//! Files that are read back, and files that are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use parproc_macros::parallel;
use tempfile::TempDir;

use super::build::Build;
use super::file::{self, Header, Preparation};
use super::{Call, SavedInput, keep};
use crate::error::{TaskError, TaskErrorKind};
use crate::registry::{FunctionId, Table, table};
use crate::task::Batch;
use crate::wire::{Numbering, Payload, encode_argument};

#[parallel(crate = crate, name = "replay::both")]
fn both(_numbers: Vec<u64>, _text: String) {}

/// What this program would write.
fn header() -> Header {
    Header {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: Build::own().clone(),
        fingerprint: table().unwrap().fingerprint(),
        function: "replay::both".to_owned(),
        signature: "fn both(_numbers: Vec<u64>, _text: String)".to_owned(),
        index: 7,
        attempt: 2,
        numbering: Numbering::Items.to_bits(),
        position: 7,
        seed: 5,
        worker: Some(4711),
        init: None,
        time: Duration::new(1, 5),
        error: "it failed".to_owned(),
        details: "it failed\nbadly".to_owned(),
    }
}

/// What a file with that header and these arguments holds.
fn bytes(header: &Header, arguments: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pieces = arguments.chunks(3);
    file::write(&mut bytes, header, pieces).unwrap();
    bytes
}

fn open(bytes: &[u8]) -> crate::error::Result<SavedInput> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("input");
    fs::write(&path, bytes).unwrap();
    SavedInput::open(path)
}

/// Why the call of that header is not repeated; none if it is.
fn refusal(header: &Header, any_build: bool) -> Option<String> {
    let input = open(&bytes(header, b"")).unwrap();
    let error = input.find(table().unwrap(), any_build).err()?;
    assert!(error.is_saved_input());
    Some(error.to_string())
}

#[test]
fn what_was_written_is_read_back() {
    let input = open(&bytes(&header(), b"12345678")).unwrap();
    assert_eq!(input.function(), "replay::both");
    assert_eq!(input.signature(), header().signature);
    assert_eq!((input.index(), input.attempt()), (7, 2));
    assert_eq!(input.pid(), Some(4711));
    assert_eq!(input.time(), UNIX_EPOCH + Duration::new(1, 5));
    assert_eq!(input.error(), "it failed");
    assert_eq!(input.error_details(), "it failed\nbadly");
    assert_eq!(input.arguments(), b"12345678");
    assert_eq!(input.fingerprint(), table().unwrap().fingerprint());
    input.check().unwrap();
}

#[test]
fn a_file_that_is_cut_short_is_told() {
    let whole = bytes(&header(), b"12345678");
    for len in 0..whole.len() {
        let error = open(&whole[..len]).unwrap_err();
        assert!(error.is_saved_input(), "{len}: {error}");
        let text = error.to_string();
        let reason = if len < 8 {
            "no saved input"
        } else {
            "cut short"
        };
        assert!(text.contains(reason), "{len}: {text}");
    }
    let longer = [&whole[..], b"1"].concat();
    let text = open(&longer).unwrap_err().to_string();
    assert!(text.contains("damaged"), "{text}");
}

#[test]
fn a_single_bit_is_enough_for_a_file_to_be_refused() {
    let whole = bytes(&header(), b"12345678");
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = open(&flipped).unwrap_err();
        assert!(error.is_saved_input(), "{bit}: {error}");
    }
}

#[test]
fn a_foreign_file_is_no_saved_input() {
    for foreign in [&b""[..], b"\x7fELF\x02\x01\x01", b"PARPROC\0", &[0; 100]] {
        let text = open(foreign).unwrap_err().to_string();
        assert!(text.contains("no saved input of parproc"), "{text}");
    }
    let missing = SavedInput::open("/nowhere/at/all").unwrap_err();
    assert!(!missing.is_saved_input());
    assert!(missing.to_string().contains("/nowhere/at/all"), "{missing}");
}

#[test]
fn the_same_build_repeats_the_call() {
    assert_eq!(refusal(&header(), false), None);
}

#[test]
fn another_build_is_refused_unless_any_will_do() {
    let others = [
        Header {
            build: Build::Id(vec![1]),
            ..header()
        },
        Header {
            build: Build::Unknown,
            ..header()
        },
        Header {
            fingerprint: !header().fingerprint,
            ..header()
        },
    ];
    for other in others {
        let text = refusal(&other, false).unwrap();
        assert!(text.contains("another build of the program"), "{text}");
        assert!(text.contains("PARPROC_REPLAY_ANY_BUILD=1"), "{text}");
        assert_eq!(refusal(&other, true), None);
        assert!(open(&bytes(&other, b"")).unwrap().check().is_err());
    }
}

#[test]
fn what_this_program_cannot_call_is_refused_in_any_case() {
    let others = [
        (
            Header {
                version: "0.0.1".to_owned(),
                ..header()
            },
            "version 0.0.1 of parproc",
        ),
        (
            Header {
                function: "replay::neither".to_owned(),
                ..header()
            },
            "no function `replay::neither`",
        ),
        (
            Header {
                signature: "fn both(_text: String)".to_owned(),
                ..header()
            },
            "it is for `fn both(_text: String)`",
        ),
        (
            Header {
                init: Some(Preparation {
                    function: "replay::first".to_owned(),
                    signature: "fn first()".to_owned(),
                    arguments: Vec::new(),
                }),
                ..header()
            },
            "no function `replay::first`",
        ),
    ];
    for (other, reason) in others {
        for any_build in [false, true] {
            let text = refusal(&other, any_build).unwrap();
            assert!(text.contains(reason), "{text}");
        }
    }
}

fn id<F: 'static>(table: &Table, _function: F) -> FunctionId {
    table.find::<F>().unwrap()
}

/// Keeps the input of a call of [`both`] in `folder`.
fn keep_in(folder: &Path) -> Result<PathBuf, String> {
    let table = table().unwrap();
    let mut payload = Payload::default();
    encode_argument(vec![3_u64; 10_000], &mut payload).unwrap();
    encode_argument("text", &mut payload).unwrap();
    let error = TaskError::new("replay::both", 7, Some(4711), TaskErrorKind::Corrupted);
    let function = id(table, both);
    let call = Call {
        batch: Batch {
            function,
            numbering: Numbering::Items,
            first: 7,
            attempt: 1,
            seed: 5,
        },
        arguments: &payload,
        init: None,
    };
    keep(folder, table, call, &error)
}

#[test]
fn the_folder_is_made_and_holds_only_the_files() {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("a/b");
    let paths: Vec<_> = (0..20).map(|_| keep_in(&inner).unwrap()).collect();
    let mut found: Vec<_> = fs::read_dir(&inner)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(found, sorted);
    let name = paths[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("both-7-4711-"), "{name}");
    assert!(name.ends_with(".parproc"), "{name}");
    let input = SavedInput::open(&paths[0]).unwrap();
    input.check().unwrap();
    assert_eq!(input.arguments().len(), 3 + 80_000 + 1 + 4);
}

#[test]
fn what_stands_in_the_way_is_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let reason = keep_in(&file.join("folder")).unwrap_err();
    assert!(reason.contains("file/folder: "), "{reason}");
}

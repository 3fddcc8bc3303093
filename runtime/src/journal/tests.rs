//! Files that are cut, damaged, foreign and in use.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::layout::KIND;
use super::{Header, Journal, Recorded, digest};
use crate::error::{Error, Result};
use crate::format::VERSION;

fn header() -> Header {
    Header {
        version: VERSION.to_owned(),
        function: "app::simulate".to_owned(),
        signature: "fn simulate(x: f64) -> f64".to_owned(),
        result: "f64".to_owned(),
        seed: 7,
    }
}

/// The arguments of an item, as far as the journal knows them.
fn of(index: usize) -> u128 {
    digest([&index.to_le_bytes()[..], b"arguments"].into_iter())
}

fn value(index: usize) -> Vec<u8> {
    vec![index as u8; 3 * index]
}

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("results.journal");
        Self {
            _folder: folder,
            path,
        }
    }

    fn with(bytes: &[u8]) -> Self {
        let place = Self::new();
        fs::write(&place.path, bytes).unwrap();
        place
    }

    fn open(&self) -> Result<Journal> {
        Journal::open(&self.path, header(), true)
    }

    fn open_as(&self, header: Header) -> Error {
        Journal::open(&self.path, header, true).unwrap_err()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

/// A file with the results of these items.
fn journal(indexes: &[usize]) -> Vec<u8> {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    for index in indexes {
        journal.add(*index, of(*index), *index as u32, &value(*index));
        journal.write().unwrap();
    }
    drop(journal);
    place.bytes()
}

/// Which of the first items the journal has; that they are right is checked.
fn found(journal: &mut Journal) -> Vec<usize> {
    let has = |index: &usize| {
        let recorded = journal.find(*index, of(*index)).unwrap();
        if let Some(Recorded {
            value: found,
            attempt,
        }) = &recorded
        {
            assert_eq!((found, *attempt), (&value(*index), *index as u32));
        }
        recorded.is_some()
    };
    let indexes = (0..20).filter(has).collect::<Vec<_>>();
    assert_eq!(indexes.len(), journal.len());
    indexes
}

#[test]
fn what_was_written_is_there_in_the_next_run() {
    let place = Place::new();
    let mut first = place.open().unwrap();
    assert_eq!(first.seed(), 7);
    for index in [3, 0, 11] {
        first.add(index, of(index), index as u32, &value(index));
    }
    first.write().unwrap();
    drop(first);
    let mut second = place.open().unwrap();
    assert_eq!(found(&mut second), [0, 3, 11]);
    second.add(4, of(4), 4, &value(4));
    second.write().unwrap();
    // One that was tried once more.
    second.add(11, of(11), 11, &value(11));
    second.write().unwrap();
    drop(second);
    assert_eq!(found(&mut place.open().unwrap()), [0, 3, 4, 11]);
}

#[test]
fn a_file_cut_anywhere_loses_only_what_was_torn() {
    let indexes = [5, 2, 9, 0, 1];
    let whole = journal(&indexes);
    let ends: BTreeMap<_, _> = (0..=indexes.len())
        .map(|count| (journal(&indexes[..count]).len(), count))
        .collect();
    for len in 0..=whole.len() {
        let place = Place::with(&whole[..len]);
        let mut journal = place.open().unwrap();
        let count = ends
            .range(..=len)
            .next_back()
            .map_or(0, |(_, count)| *count);
        let mut expected = indexes[..count].to_vec();
        expected.sort_unstable();
        assert_eq!(found(&mut journal), expected, "{len}");
        // The next run goes on behind what is whole.
        journal.add(12, of(12), 12, &value(12));
        journal.write().unwrap();
        drop(journal);
        expected.push(12);
        assert_eq!(found(&mut place.open().unwrap()), expected, "{len}");
    }
}

#[test]
fn no_flipped_bit_makes_a_wrong_result() {
    let indexes = [5, 2, 0, 1];
    let whole = journal(&indexes);
    let last = journal(&indexes[..3]).len();
    let mut refused = 0;
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let place = Place::with(&flipped);
        match place.open() {
            // `found` checks what is there; only the last one may be taken for torn.
            Ok(mut journal) => {
                assert_eq!(found(&mut journal), [0, 2, 5], "{bit}");
                assert!(bit / 8 >= last, "{bit}");
            }
            Err(error) => {
                assert!(error.is_journal(), "{bit}: {error}");
                assert_eq!(place.bytes(), flipped, "{bit}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 8 * last, "{refused}");
}

#[test]
fn what_was_lost_with_the_machine_is_torn() {
    let whole = journal(&[5, 2, 9]);
    let two = journal(&[5, 2]).len();
    // A longer file, the end of which did not come to the disk.
    for zeros in [1, 39, 40, 44, 100_000] {
        let bytes = [&whole[..], &vec![0; zeros]].concat();
        assert_eq!(found(&mut Place::with(&bytes).open().unwrap()), [2, 5, 9]);
    }
    for from in two..whole.len() {
        let mut bytes = whole.clone();
        bytes[from..].fill(0);
        let found = Place::with(&bytes)
            .open()
            .map(|mut journal| found(&mut journal));
        if from < two + 40 {
            // A part of what stands before the result is nothing that a file of zeros has.
            assert!(found.is_err() || found.unwrap() == [2, 5], "{from}");
        } else if from < whole.len() - 4 {
            assert_eq!(found.unwrap(), [2, 5], "{from}");
        }
    }
}

#[test]
fn a_file_damaged_in_the_middle_says_where() {
    let mut bytes = journal(&[5, 2, 9]);
    let at = journal(&[5]).len();
    bytes[at + 41] ^= 1;
    let place = Place::with(&bytes);
    let text = place.open().unwrap_err().to_string();
    assert!(text.contains(&format!("damaged at byte {at}")), "{text}");
    assert!(text.contains(&format!("`truncate -s {at}`")), "{text}");
    // As it says.
    let file = OpenOptions::new().write(true).open(&place.path).unwrap();
    file.set_len(at as u64).unwrap();
    assert_eq!(found(&mut place.open().unwrap()), [5]);
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let place = Place::with(&journal(&[1]));
    let others = [
        (
            Header {
                function: "app::other".to_owned(),
                ..header()
            },
            "of `app::simulate`, and this call is of `app::other`",
        ),
        (
            Header {
                signature: "fn simulate(x: f32) -> f64".to_owned(),
                ..header()
            },
            "of `fn simulate(x: f64) -> f64`, and",
        ),
        (
            Header {
                result: "f32".to_owned(),
                ..header()
            },
            "of type `f64`, and this call is of type `f32`",
        ),
        (
            Header {
                seed: 8,
                ..header()
            },
            "the seed 7, and this call has the seed 8",
        ),
    ];
    let before = place.bytes();
    for (other, reason) in others {
        let error = place.open_as(other);
        assert!(error.is_journal());
        let text = error.to_string();
        assert!(text.contains(reason), "{text}");
        assert!(text.contains("remove this one to begin again"), "{text}");
    }
    assert_eq!(place.bytes(), before);

    let older = Header {
        version: "0.0.1".to_owned(),
        ..header()
    };
    let of_older = Place::with(&older.to_bytes().unwrap());
    let text = of_older.open().unwrap_err().to_string();
    assert!(text.contains("saved by version 0.0.1"), "{text}");

    let mut newer = before.clone();
    newer[8] += 1;
    let text = Place::with(&newer).open().unwrap_err().to_string();
    assert!(text.contains("it is of format 2, and"), "{text}");

    for foreign in [&b"a"[..], b"parproc\0", b"\x7fELF\x02\x01\x01", &[0; 100]] {
        let place = Place::with(foreign);
        let text = place.open().unwrap_err().to_string();
        assert!(text.contains("no journal of parproc"), "{text}");
        assert!(!text.contains("remove"), "{text}");
        assert_eq!(place.bytes(), foreign);
    }
}

#[test]
fn a_call_without_a_seed_goes_on_with_that_of_the_file() {
    let place = Place::with(&journal(&[1]));
    let other = Header {
        seed: 8,
        ..header()
    };
    let journal = Journal::open(&place.path, other, false).unwrap();
    assert_eq!(journal.seed(), 7);
}

#[test]
fn another_item_at_its_index_is_told() {
    let place = Place::with(&journal(&[1, 3]));
    let mut journal = place.open().unwrap();
    assert_eq!(journal.find(2, of(3)).unwrap(), None);
    let error = journal.find(3, of(2)).unwrap_err();
    assert!(error.is_journal());
    assert!(
        error.to_string().contains("item 3 has other arguments"),
        "{error}"
    );
}

#[test]
fn one_at_a_time_has_it() {
    let place = Place::new();
    let first = place.open().unwrap();
    let error = place.open().unwrap_err();
    assert!(error.is_journal());
    assert!(
        error
            .to_string()
            .contains("another call or program uses it"),
        "{error}"
    );
    drop(first);
    drop(place.open().unwrap());
    let missing = Journal::open("/nowhere/at/all".as_ref(), header(), true).unwrap_err();
    assert!(!missing.is_journal());
    assert!(missing.to_string().contains("/nowhere/at/all"), "{missing}");
}

#[test]
fn what_was_written_in_vain_is_overwritten() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    journal.add(2, of(2), 2, &value(2));
    journal.write().unwrap();
    // As a write leaves it for which there was no room.
    let mut file = OpenOptions::new().append(true).open(&place.path).unwrap();
    file.write_all(&KIND.magic.repeat(20)).unwrap();
    drop(journal);
    assert!(place.open().is_err());
    let good = super::tests::journal(&[2]).len() as u64;
    file.set_len(good + 20).unwrap();
    let mut journal = place.open().unwrap();
    journal.add(1, of(1), 1, &value(1));
    journal.write().unwrap();
    drop(journal);
    assert_eq!(found(&mut place.open().unwrap()), [1, 2]);
}

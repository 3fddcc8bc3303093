//! What is kept, and how lines are made, against what anybody may write.

use proptest::prelude::*;

use super::kept::{Kept, MOST, TAIL, last_lines, text};
use super::lines::Lines;
use super::sink::Sink;
use crate::sys::Standard;

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => any::<u8>()];
    let part = prop_oneof![
        prop::collection::vec(byte, 0..40),
        (1..40_000_usize).prop_map(|len| vec![b'y'; len]),
    ];
    prop::collection::vec(part, 0..12)
}

proptest! {
    #[test]
    fn the_tail_is_the_end_of_all_that_came(parts in parts(), from in 0..100_000_u64) {
        let mut kept = Kept::default();
        let mut all = Vec::new();
        for part in &parts {
            kept.push_to_tail(1 + all.len() as u64, part);
            all.extend_from_slice(part);
        }
        let end = 1 + all.len() as u64;
        let first = end.saturating_sub(TAIL as u64).max(1);
        let begin = from.clamp(first, end);
        let (copy, whole) = kept.copy(begin, end);
        prop_assert_eq!(&copy[..], &all[begin as usize - 1..]);
        prop_assert!(whole);
        let (copy, whole) = kept.copy(1, end);
        prop_assert_eq!(copy.len(), all.len().min(TAIL));
        prop_assert_eq!(whole, all.len() <= TAIL);
    }

    #[test]
    fn items_are_taken_out_one_after_the_other(parts in parts()) {
        let mut kept = Kept::default();
        let mut at = 1;
        let mut spans = Vec::new();
        for part in &parts {
            kept.push_to_items(at, part, at);
            spans.push((at, at + part.len() as u64));
            at += part.len() as u64;
        }
        for ((from, to), part) in spans.into_iter().zip(&parts) {
            prop_assert_eq!(kept.copy(from, to), (part.clone(), true));
            kept.drop_before(to);
            prop_assert!(kept.copy(from, to).0.is_empty());
        }
    }

    #[test]
    fn words_of_a_hostile_worker_do_no_harm(
        parts in parts(),
        begin in any::<u64>(),
        from in any::<u64>(),
        to in any::<u64>(),
    ) {
        let mut kept = Kept::default();
        let mut at = 1;
        for part in &parts {
            kept.push_to_items(at, part, begin);
            at += part.len() as u64;
        }
        let (copy, whole) = kept.copy(from, to);
        prop_assert!(copy.len() <= MOST);
        prop_assert!(!whole || copy.len() as u64 == to.saturating_sub(from));
        kept.drop_before(to);
    }

    #[test]
    fn lines_are_whole_however_they_come(parts in parts()) {
        let mut lines = Lines::new("prögram".as_bytes(), 7, None);
        let mut out = Vec::new();
        for part in &parts {
            lines.push(part, &mut out);
        }
        lines.finish(&mut out);
        let all = parts.concat();
        let mut expected = Vec::new();
        let ended = all.strip_suffix(b"\n").unwrap_or(&all);
        for line in ended.split(|byte| *byte == b'\n').filter(|_| !all.is_empty()) {
            // An empty line is a line.
            let pieces: Vec<_> = line.chunks(64 << 10).collect();
            for piece in if pieces.is_empty() { vec![&[][..]] } else { pieces } {
                expected.extend_from_slice(b"[pr??gram 7] ");
                expected.extend_from_slice(piece);
                expected.push(b'\n');
            }
        }
        prop_assert!(out == expected, "{} bytes, not {}", out.len(), expected.len());
    }

    #[test]
    fn pieces_to_write_end_with_lines(parts in parts()) {
        let mut sink = Sink::new(Standard::Error);
        sink.waiting = parts.concat();
        let Some(piece) = sink.piece() else {
            prop_assert!(sink.waiting.is_empty());
            return Ok(());
        };
        let rest = &sink.waiting[piece.len()..];
        prop_assert!(!piece.is_empty());
        if !rest.is_empty() && piece.last() != Some(&b'\n') {
            // There was no end of a line to be found.
            prop_assert!(piece.len() == 4096);
            let line = &sink.waiting[..sink.waiting.len().min(64 << 10)];
            prop_assert!(!line.contains(&b'\n'));
        }
    }
}

#[test]
fn last_lines_are_counted_with_and_without_a_newline_at_the_end() {
    for (count, expected) in [
        (0, ""),
        (1, "c"),
        (2, "b\nc"),
        (3, "\nb\nc"),
        (9, "a\n\nb\nc"),
    ] {
        assert_eq!(last_lines("a\n\nb\nc", count), expected);
        let ended = last_lines("a\n\nb\nc\n", count);
        assert_eq!(ended.trim_end_matches('\n'), expected, "{count}");
    }
    assert_eq!(last_lines("", 3), "");
    assert_eq!(last_lines("\n", 1), "\n");
}

#[test]
fn a_text_that_was_cut_begins_with_a_whole_line() {
    assert_eq!(text(b"half\nwhole\n", false), "whole\n");
    assert_eq!(text(b"half\nwhole\n", true), "half\nwhole\n");
    assert_eq!(text(b"only half\n", false), "only half\n");
    let long = [&b"first\n"[..], &[b'x'; TAIL - 2], b"\n"].concat();
    assert_eq!(text(&long, true).len(), TAIL - 1);
}

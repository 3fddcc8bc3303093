//! Bytes of a stream that are kept, with their positions.

use std::collections::VecDeque;

/// What is kept of an item that writes more, of each stream.
pub(super) const MOST: usize = 1 << 20;
/// What is kept of items together whose end was not yet told. A worker can be ahead of its parent, but
/// one that is so far ahead is broken.
const MOST_IN_ALL: usize = 64 << 20;
/// What is kept for errors.
pub(super) const TAIL: usize = 16 << 10;
/// Small pieces are put together up to this size.
const PIECE: usize = 4 << 10;

/// Some bytes in a row.
#[derive(Debug)]
struct Piece {
    at: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    /// The part from `from` to `to`.
    fn part(&self, from: u64, to: u64) -> &[u8] {
        let index = |position: u64| position.clamp(self.at, self.end()) - self.at;
        self.bytes
            .get(index(from) as usize..index(to) as usize)
            .unwrap_or_default()
    }

    fn drop_before(&mut self, position: u64) {
        let gone = position.clamp(self.at, self.end()) - self.at;
        self.bytes.drain(..gone as usize);
        self.at += gone;
    }
}

/// Pieces of a stream, by rising positions.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    len: usize,
}

impl Kept {
    /// Keeps `bytes`, which are at the position `at`, and of all only the last ones.
    pub(super) fn push_to_tail(&mut self, at: u64, bytes: &[u8]) {
        let skipped = bytes.len().saturating_sub(TAIL);
        self.push(at + skipped as u64, &bytes[skipped..]);
        let surplus = self.len.saturating_sub(TAIL) as u64;
        if let Some(first) = self.pieces.front().filter(|_| surplus > 0) {
            // All are in a row.
            self.drop_before(first.at + surplus);
        }
    }

    /// Keeps `bytes`, which are at the position `at`, as far as there is room; the item that runs begins
    /// at `begin`.
    pub(super) fn push_to_items(&mut self, at: u64, bytes: &[u8], begin: u64) {
        let limit = begin.saturating_add(MOST as u64).saturating_sub(at);
        let room = MOST_IN_ALL.saturating_sub(self.len);
        let len = bytes.len().min(room);
        let len = usize::try_from(limit).map_or(len, |limit| len.min(limit));
        self.push(at, &bytes[..len]);
    }

    fn push(&mut self, at: u64, bytes: &[u8]) {
        self.len += bytes.len();
        match self.pieces.back_mut() {
            Some(last) if last.end() == at && last.bytes.len() + bytes.len() <= PIECE => {
                last.bytes.extend_from_slice(bytes);
            }
            _ if bytes.is_empty() => {}
            _ => self.pieces.push_back(Piece {
                at,
                bytes: bytes.to_owned(),
            }),
        }
    }

    /// What is kept from `from` to `to`, and whether that is all of it and no more than is allowed.
    pub(super) fn copy(&self, from: u64, to: u64) -> (Vec<u8>, bool) {
        let mut copy = Vec::new();
        for piece in &self.pieces {
            let part = piece.part(from, to);
            copy.extend_from_slice(&part[..part.len().min(MOST - copy.len())]);
        }
        let whole = copy.len() as u64 == to.saturating_sub(from);
        (copy, whole)
    }

    /// Forgets what is before a position.
    pub(super) fn drop_before(&mut self, position: u64) {
        while let Some(first) = self.pieces.front_mut() {
            let before = first.bytes.len();
            first.drop_before(position);
            self.len -= before - first.bytes.len();
            if !first.bytes.is_empty() {
                break;
            }
            self.pieces.pop_front();
        }
    }
}

/// The last lines of some bytes, at most [`TAIL`] bytes; `whole` says that they do not begin within a
/// line.
pub(super) fn text(bytes: &[u8], whole: bool) -> String {
    let skipped = bytes.len().saturating_sub(TAIL);
    let mut tail = &bytes[skipped..];
    if (!whole || skipped > 0)
        && let Some(newline) = tail.iter().position(|byte| *byte == b'\n')
        && newline + 1 < tail.len()
    {
        tail = &tail[newline + 1..];
    }
    String::from_utf8_lossy(tail).into_owned()
}

/// The last `count` lines of a text.
pub(super) fn last_lines(text: &str, count: usize) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let start = match count.checked_sub(1) {
        None => text.len(),
        Some(before) => body
            .rmatch_indices('\n')
            .nth(before)
            .map_or(0, |(newline, _)| newline + 1),
    };
    &text[start..]
}

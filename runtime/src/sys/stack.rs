//! The stack of a worker as addresses, which its parent turns into names when somebody asks.
//!
//! Reading a program's debug information takes a tenth of a second and much memory. A worker that
//! panics does not do it: it notes where each address lies in which object, and the parent, which
//! runs the same program at other addresses, looks the names up in its own.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::objects::objects;

/// Deeper stacks are cut.
const FRAMES: usize = 128;

/// A call stack, innermost frame first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stack {
    /// Names of the objects as the loader knows them; the program itself has an empty one.
    objects: Vec<String>,
    /// Index of the object, and address relative to where it was loaded.
    frames: Vec<(u32, u64)>,
}

impl Stack {
    /// The stack of the caller.
    pub(crate) fn capture() -> Self {
        let mut addresses = Vec::with_capacity(FRAMES);
        backtrace::trace(|frame| {
            addresses.push(frame.ip().addr());
            addresses.len() < FRAMES
        });
        let loaded = objects();
        let mut stack = Self::default();
        for address in addresses {
            let Some(object) = loaded.iter().find(|object| object.contains(address)) else {
                continue;
            };
            let known = stack.objects.iter().position(|name| *name == object.name);
            let index = known.unwrap_or_else(|| {
                stack.objects.push(object.name.clone());
                stack.objects.len() - 1
            });
            stack
                .frames
                .push((index as u32, address.wrapping_sub(object.base) as u64));
        }
        stack
    }

    /// The names of the functions from the one that panicked out to the task's own.
    pub(crate) fn resolve(&self) -> String {
        let loaded = objects();
        let mut frames = Vec::new();
        for (object, offset) in &self.frames {
            let name = self.objects.get(*object as usize);
            let Some(found) = loaded.iter().find(|one| Some(&one.name) == name) else {
                continue;
            };
            let address = found.base.wrapping_add(*offset as usize);
            let before = frames.len();
            backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
                frames.push(describe(symbol));
            });
            if frames.len() == before {
                frames.push((format!("{}+{offset:#x}", found.name), None));
            }
        }
        text(&frames)
    }
}

type Frame = (String, Option<String>);

fn describe(symbol: &backtrace::Symbol) -> Frame {
    let name = symbol
        .name()
        .map_or_else(|| "?".to_owned(), |name| format!("{name:#}"));
    let place = symbol.filename().map(|file| {
        let line = symbol.lineno().unwrap_or(0);
        format!("{}:{line}", file.display())
    });
    (name, place)
}

/// Without the machinery of panics before the first frame and ours behind the last one.
fn text(frames: &[Frame]) -> String {
    let machinery = [
        "rust_begin_unwind",
        "core::panicking::",
        "std::panicking::",
        "std::rt::",
    ];
    let is_machinery = |(name, _): &Frame| machinery.iter().any(|part| name.contains(part));
    // Our hook of panics comes before that one.
    let begun = frames
        .iter()
        .position(|(name, _)| name.contains("rust_begin_unwind"));
    let start = begun.map_or(0, |begun| {
        begun
            + frames[begun..]
                .iter()
                .take_while(|frame| is_machinery(frame))
                .count()
    });
    // What `#[parallel]` registers calls the task, and is all there is of one that was inlined.
    let is_ours =
        |(name, _): &Frame| name.contains("__INVENTORY") || name.contains("parproc::worker::");
    let frames = &frames[start..];
    let end = frames.iter().skip(1).position(is_ours);
    let end = end.map_or(frames.len(), |after| after + 1);
    let mut text = String::new();
    for (index, (name, place)) in frames[..end].iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{index:4}: {name}");
        if let Some(place) = place {
            let _ = writeln!(text, "             at {place}");
        }
    }
    text
}

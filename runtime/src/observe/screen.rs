//! The bars that are on the terminal now, and what is written above them.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use indicatif::MultiProgress;

/// Where bars are drawn now; the last one is asked to make room.
static DRAWN: Mutex<Vec<(u64, MultiProgress)>> = Mutex::new(Vec::new());

/// Where bars are drawn whose caller has no place for them: together, so that they do not overwrite each other.
pub(super) fn own_screen() -> MultiProgress {
    static OWN: OnceLock<MultiProgress> = OnceLock::new();
    OWN.get_or_init(MultiProgress::new).clone()
}

/// As long as it is there, a bar is drawn.
#[derive(Debug)]
pub(super) struct Drawn(u64);

impl Drawn {
    pub(super) fn new(screen: &MultiProgress) -> Self {
        let mut drawn = drawn();
        let number = drawn.last().map_or(0, |(number, _)| number + 1);
        drawn.push((number, screen.clone()));
        Self(number)
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        drawn().retain(|(number, _)| *number != self.0);
    }
}

fn drawn() -> MutexGuard<'static, Vec<(u64, MultiProgress)>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `write`, which writes to `stream`, so that it comes above the bars if there are some on a terminal.
///
/// It says whether the last thing that it wrote was a whole line; one that is not is ended by `end_line` then, or the
/// bars would overwrite it.
pub(crate) fn above_bars(
    stream: &impl IsTerminal,
    write: impl FnOnce() -> bool,
    end_line: impl FnOnce(),
) {
    let screen = drawn().last().map(|(_, screen)| screen.clone());
    let screen = screen.filter(|screen| !screen.is_hidden() && stream.is_terminal());
    match screen {
        None => {
            write();
        }
        Some(screen) => screen.suspend(|| {
            if !write() {
                end_line();
            }
        }),
    }
}

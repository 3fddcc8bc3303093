//! The guardian: it waits for the end of the program, and then ends what workers have started.
//!
//! Workers end with the program by themselves, but what their tasks have started does not, and a
//! program that is killed can do nothing about it. So a process of its own does: this same program,
//! executed once more, that stays in the gate.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::attach::VARIABLE;
use super::serve::inherit;
use crate::shm::{GROUPS_BYTES, Groups};
use crate::sys::{Segment, end_at_once, hide, kill_group_of, wait_readable};

/// By this name the guardian is known in lists of processes.
pub(crate) const NAME: &str = "parproc-guard";

const SIGN: &str = "guard:";

/// What a guardian is told in the environment: descriptors that it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardAttach {
    /// The program's process.
    program: RawFd,
    /// A pipe that the program holds the other end of, for as long as it is the same program.
    pipe: RawFd,
    /// The table of groups.
    groups: RawFd,
}

impl GuardAttach {
    pub(crate) fn new(program: &impl AsFd, pipe: &impl AsFd, groups: &impl AsFd) -> Self {
        Self {
            program: program.as_fd().as_raw_fd(),
            pipe: pipe.as_fd().as_raw_fd(),
            groups: groups.as_fd().as_raw_fd(),
        }
    }

    pub(crate) fn to_variable(&self) -> (&'static str, String) {
        let Self {
            program,
            pipe,
            groups,
        } = self;
        (VARIABLE, format!("{SIGN}{program}:{pipe}:{groups}"))
    }

    /// None for the variable of a worker.
    pub(super) fn from_variable(value: &str) -> Option<Self> {
        let mut parts = value.strip_prefix(SIGN)?.splitn(3, ':');
        let mut part = || parts.next()?.parse().ok();
        Some(Self {
            program: part()?,
            pipe: part()?,
            groups: part()?,
        })
    }
}

/// Guards until the program has ended.
pub(super) fn guard(attach: &GuardAttach) -> ! {
    hide(NAME);
    // Nobody is there who could be told of a failure.
    let _ = wait_and_kill(attach);
    // What is registered for the end of the program is none of the guardian's business.
    end_at_once(0)
}

fn wait_and_kill(attach: &GuardAttach) -> io::Result<()> {
    let program = inherit(attach.program)?;
    let pipe = inherit(attach.pipe)?;
    let segment = inherit(attach.groups)?;
    let groups = Groups::map(&Segment::from_fd(segment, GROUPS_BYTES)?, false)?;
    // Nothing is ever written to the pipe: it is readable when its other end is closed.
    while !wait_readable(&[program.as_fd(), pipe.as_fd()], None)?.contains(&true) {}
    for leader in groups.leaders() {
        kill_group_of(leader.id, leader.started);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let attach = GuardAttach {
            program: 3,
            pipe: 4,
            groups: 5,
        };
        let (_, value) = attach.to_variable();
        assert_eq!(GuardAttach::from_variable(&value), Some(attach));
    }

    #[test]
    fn a_foreign_value_is_none() {
        for value in [
            "",
            "1:2:3",
            "guard:",
            "guard:1:2",
            "guard:1:2:x",
            "guard:1:2:3:4",
        ] {
            assert_eq!(GuardAttach::from_variable(value), None, "{value}");
        }
    }
}

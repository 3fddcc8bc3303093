//! What a parent tells a new worker, in one environment variable.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::family::Place;

/// The variable's name. It is removed at once, or a task's own children would become workers. Two
/// versions of this crate in one program each look for their own.
pub(super) const VARIABLE: &str = concat!("PARPROC_ATTACH_", env!("CARGO_PKG_VERSION"));

/// How a worker finds its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attach {
    /// The parent's process id.
    pub(crate) parent: u32,
    /// Descriptors that the worker inherits: its own segment, the pool's, the supervisor's event
    /// counter, and its end of the socket for shared objects.
    pub(crate) segment: RawFd,
    pub(crate) pool: RawFd,
    pub(crate) notify: RawFd,
    pub(crate) socket: RawFd,
    /// The family's segment, and which member of it the worker is.
    pub(crate) family: RawFd,
    pub(crate) member: u64,
    /// How many bytes of its first argument are for lists of processes only.
    pub(crate) title: usize,
    /// What the worker is called, if not as the program.
    pub(crate) name: Option<String>,
}

impl Attach {
    pub(crate) fn new(
        segment: &impl AsFd,
        pool: &impl AsFd,
        notify: &impl AsFd,
        socket: &impl AsFd,
        place: &Place,
    ) -> Self {
        Self {
            parent: std::process::id(),
            segment: segment.as_fd().as_raw_fd(),
            pool: pool.as_fd().as_raw_fd(),
            notify: notify.as_fd().as_raw_fd(),
            socket: socket.as_fd().as_raw_fd(),
            family: place.fd().as_raw_fd(),
            member: place.bits(),
            title: 0,
            name: None,
        }
    }

    pub(crate) fn to_variable(&self) -> (&'static str, String) {
        let Self {
            parent,
            segment,
            pool,
            notify,
            socket,
            family,
            member,
            title,
            name,
        } = self;
        let mut value =
            format!("{parent}:{segment}:{pool}:{notify}:{socket}:{family}:{member}:{title}");
        if let Some(name) = name {
            value.push(':');
            value.push_str(name);
        }
        (VARIABLE, value)
    }

    pub(super) fn from_variable(value: &str) -> io::Result<Self> {
        let mut parts = value.splitn(9, ':');
        let mut part = || parts.next().ok_or(io::ErrorKind::InvalidData);
        fn number<T: std::str::FromStr>(text: &str) -> io::Result<T> {
            text.parse().map_err(|_| io::ErrorKind::InvalidData.into())
        }
        Ok(Self {
            parent: number(part()?)?,
            segment: number(part()?)?,
            pool: number(part()?)?,
            notify: number(part()?)?,
            socket: number(part()?)?,
            family: number(part()?)?,
            member: number(part()?)?,
            title: number(part()?)?,
            name: part().ok().map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for name in [None, Some(""), Some("a name: with: colons")] {
            let attach = Attach {
                parent: 7,
                segment: 3,
                pool: 4,
                notify: 5,
                socket: 6,
                family: 7,
                member: 1 << 40,
                title: 18,
                name: name.map(str::to_owned),
            };
            let (_, value) = attach.to_variable();
            assert_eq!(Attach::from_variable(&value).unwrap(), attach);
        }
    }

    #[test]
    fn a_foreign_value_is_an_error() {
        for value in [
            "",
            "1",
            "1:2:3:4:5:6",
            "x:1:2:3:4:5:6",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:s:8",
            "1:2:3:4s:5:6:7:8",
        ] {
            assert!(Attach::from_variable(value).is_err(), "{value}");
        }
    }
}

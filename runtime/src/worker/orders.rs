//! What a worker does to itself before it serves: the parent's orders.

use std::io;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

use super::local::become_worker;
use crate::sys::{Resource, pin_to_cpu, set_group_and_user, set_limit, set_nice};

/// Written by the parent into the worker's segment before the worker starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The worker's number among the living ones of its pool.
    pub(crate) id: Option<usize>,
    /// The first chunk is the pool's init function: the supervisor wants to know when it is done.
    pub(crate) init: bool,
    /// The supervisor need not be woken when the worker is ready: nothing waits for that.
    pub(crate) quiet: bool,
    /// Limits of resources: seconds, descriptors, bytes, bytes.
    pub(crate) cpu_time: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) core_size: Option<u64>,
    pub(crate) nice: Option<i32>,
    /// The CPU to stay on, counted from 0 among those that the worker may use, and again from 0 when
    /// there are no more.
    pub(crate) cpu: Option<usize>,
    pub(crate) gid: Option<u32>,
    pub(crate) uid: Option<u32>,
    /// The descriptor to which it writes what it logs.
    pub(crate) logs: Option<RawFd>,
}

impl Orders {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        // Numbers can always be written.
        postcard::to_stdvec(&self).unwrap_or_default()
    }

    /// Reads what was written; without anything there is nothing to do.
    pub(super) fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        postcard::from_bytes(bytes)
            .map_err(|error| io::Error::other(format!("the worker's orders: {error}")))
    }

    /// Carries them out. What may be forbidden to another user comes before the change of the user.
    pub(super) fn carry_out(&self) -> io::Result<()> {
        if let Some(id) = self.id {
            become_worker(id);
        }
        if let Some(cpu) = self.cpu {
            pin_to_cpu(cpu).map_err(|error| could_not("the CPU that it runs on", error))?;
        }
        if let Some(nice) = self.nice {
            set_nice(nice)
                .map_err(|error| could_not(&format!("its nice value to {nice}"), error))?;
        }
        let limits = [
            (Resource::CpuTime, self.cpu_time, "CPU time in seconds"),
            (Resource::OpenFiles, self.open_files, "open files"),
            (
                Resource::FileSize,
                self.file_size,
                "the size of a file in bytes",
            ),
            (
                Resource::CoreSize,
                self.core_size,
                "the size of a core file in bytes",
            ),
        ];
        for (resource, limit, what) in limits {
            if let Some(limit) = limit {
                set_limit(resource, limit).map_err(|error| {
                    could_not(&format!("its limit of {what} to {limit}"), error)
                })?;
            }
        }
        set_group_and_user(self.gid, self.uid)
            .map_err(|error| could_not("its group and user", error))?;
        Ok(())
    }
}

fn could_not(what: &str, error: io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the worker could not set {what}: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let orders = Orders {
            id: Some(7),
            init: true,
            quiet: true,
            cpu_time: Some(1),
            file_size: Some(u64::MAX),
            nice: Some(-20),
            cpu: Some(3),
            uid: Some(65534),
            logs: Some(9),
            ..Orders::default()
        };
        assert_eq!(Orders::from_bytes(&orders.to_bytes()).unwrap(), orders);
        assert_eq!(Orders::from_bytes(&[]).unwrap(), Orders::default());
        assert!(Orders::from_bytes(&[1]).is_err());
    }
}

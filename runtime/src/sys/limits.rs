//! Limits and rights that a worker gives itself at its start.

#![expect(
    unsafe_code,
    reason = "user and group of a whole process are changed by the C library"
)]

use std::io;

use rustix::process::{
    Rlimit, getegid, geteuid, getgid, getppid, getrlimit, getuid, parent_process_death_signal,
    set_parent_process_death_signal, setpriority_process, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// What a process can be kept from using too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub(crate) enum Resource {
    /// Seconds of CPU time that the process takes in its whole life. SIGXCPU tells it that they are
    /// over, and ends it if it does not handle that; a second later SIGKILL does.
    CpuTime,
    /// How many descriptors it can have open. Beyond, opening fails.
    OpenFiles,
    /// Bytes of the largest file that it can write. Beyond, SIGXFSZ ends it, or writing fails.
    FileSize,
    /// Bytes of the file that the kernel writes when the process crashes; 0 for none.
    CoreSize,
}

/// Limits what this process, and each program that it starts, can use.
///
/// # Errors
/// When the limit is above what the process was allowed itself, and it has no right to raise that.
pub(crate) fn set_limit(resource: Resource, value: u64) -> io::Result<()> {
    let kind = match resource {
        Resource::CpuTime => rustix::process::Resource::Cpu,
        Resource::OpenFiles => rustix::process::Resource::Nofile,
        Resource::FileSize => rustix::process::Resource::Fsize,
        Resource::CoreSize => rustix::process::Resource::Core,
    };
    let allowed = getrlimit(kind).maximum;
    let maximum = match resource {
        // The kernel sends SIGKILL there.
        Resource::CpuTime => Some(allowed.unwrap_or(u64::MAX).min(value.saturating_add(1))),
        _ => allowed,
    };
    let too_low = maximum.is_some_and(|maximum| maximum < value);
    let limit = Rlimit {
        current: Some(value),
        maximum: if too_low { Some(value) } else { maximum },
    };
    setrlimit(kind, limit).map_err(|error| match allowed {
        Some(allowed) if too_low => {
            let what = format!("{resource:?} cannot be {value}, since {allowed} are allowed");
            io::Error::new(io::Error::from(error).kind(), what)
        }
        _ => error.into(),
    })
}

/// Sets how nice the process is to others: from -20, which few may, to 19. Threads that it has
/// already keep their value.
pub(crate) fn set_nice(nice: i32) -> io::Result<()> {
    Ok(setpriority_process(None, nice)?)
}

/// Which CPUs this process may use, as a number that processes with the same ones agree on.
#[cfg(feature = "mpi")]
pub(crate) fn allowed_cpus() -> u64 {
    let Ok(allowed) = sched_getaffinity(None) else {
        return 0;
    };
    let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let bytes: Vec<u8> = cpus.flat_map(|cpu| (cpu as u32).to_le_bytes()).collect();
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

/// Has the calling thread, and the threads and processes that it starts, run on one CPU only: the one
/// with this index among those that it is allowed, counted round and round.
pub(crate) fn pin_to_cpu(index: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let count = allowed.count() as usize;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let Some(cpu) = index.checked_rem(count).and_then(|index| cpus.nth(index)) else {
        return Err(io::Error::other("no CPU is allowed"));
    };
    let mut one = CpuSet::new();
    one.set(cpu);
    Ok(sched_setaffinity(None, &one)?)
}

/// Gives up the rights of a privileged process: it gets this group, this user, and no further groups.
///
/// Nothing is changed if it has both already. The signal that it gets when its parent ends stays set.
///
/// # Errors
/// When it may not. It has to end then, since half of it may be done.
pub(crate) fn set_group_and_user(gid: Option<u32>, uid: Option<u32>) -> io::Result<()> {
    let own_gid = gid.is_none_or(|gid| gid == getgid().as_raw() && gid == getegid().as_raw());
    let own_uid = uid.is_none_or(|uid| uid == getuid().as_raw() && uid == geteuid().as_raw());
    if own_gid && own_uid {
        return Ok(());
    }
    let parent = getppid();
    let signal = parent_process_death_signal()?;
    // Each step needs rights that a later one takes away.
    let groups: Vec<libc::gid_t> = gid.into_iter().collect();
    // SAFETY: the pointer is to as many groups.
    let result = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
    check(result, "groups")?;
    if let Some(gid) = gid {
        // SAFETY: changes nothing but the rights of this process.
        check(unsafe { libc::setgid(gid) }, &format!("group {gid}"))?;
    }
    if let Some(uid) = uid {
        // SAFETY: changes nothing but the rights of this process.
        check(unsafe { libc::setuid(uid) }, &format!("user {uid}"))?;
    }
    // The kernel takes it back when rights change.
    set_parent_process_death_signal(signal)?;
    if signal.is_some() && getppid() != parent {
        return Err(io::Error::other("the parent process is gone"));
    }
    Ok(())
}

fn check(result: libc::c_int, what: &str) -> io::Result<()> {
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    let what = format!("this process cannot change its {what}: {error}");
    Err(io::Error::new(error.kind(), what))
}

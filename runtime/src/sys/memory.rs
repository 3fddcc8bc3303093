//! How much memory a process and those below it have.

#![expect(unsafe_code, reason = "two processes are compared by system call")]

use super::proc;

/// Bytes of memory of the process and all its descendants, if these are more than `limit`.
///
/// Private memory and shared memory count, files and programs do not. Below the limit this costs a
/// few microseconds for each process. Above it, memory that the processes share counts once, which
/// takes longer: a process that has just forked has not twice the memory.
pub(crate) fn tree_memory(pid: u32, limit: u64) -> Option<u64> {
    let tree = tree(pid);
    let all = tree.iter().filter_map(|(id, _)| proc::resident(*id));
    if all.sum::<u64>() <= limit {
        return None;
    }
    let own = |id: u32| proc::status_bytes(id, &["RssAnon", "RssShmem"]).unwrap_or(0);
    let simple = tree.iter().map(|(id, _)| own(*id)).sum::<u64>();
    if simple <= limit || tree.len() == 1 {
        return (simple > limit).then_some(simple);
    }
    let distinct = tree
        .iter()
        .filter(|(id, parent)| id == parent || !share_memory(*id, *parent));
    let shares = distinct.map(|(id, _)| {
        let share = proc::rollup_bytes(*id, &["Pss_Anon", "Pss_Shmem"]);
        share.unwrap_or_else(|| own(*id))
    });
    Some(shares.sum::<u64>()).filter(|sum| *sum > limit)
}

/// The process and all its descendants, with the parent of each; its own stands for that of the first.
fn tree(pid: u32) -> Vec<(u32, u32)> {
    let mut tree = vec![(pid, pid)];
    let mut visited = 0;
    while let Some((parent, _)) = tree.get(visited).copied() {
        let children = proc::children(parent).unwrap_or_default();
        tree.extend(children.into_iter().map(|id| (id, parent)));
        visited += 1;
    }
    tree
}

/// True for a child of `vfork` that has not executed a program yet.
fn share_memory(pid: u32, other: u32) -> bool {
    const KCMP_VM: libc::c_int = 1;
    // SAFETY: compares two processes by number, and touches no memory of this one.
    unsafe { libc::syscall(libc::SYS_kcmp, pid, other, KCMP_VM, 0, 0) == 0 }
}

/// Bytes of memory, files included, that a running process had at its peak.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    // A process that has ended has no such line.
    proc::status_bytes(pid, &["VmHWM"]).filter(|bytes| *bytes > 0)
}

//! Whether the kernel has killed processes for lack of memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::proc::short;

/// Where the kills are counted for a process with these control groups. What is mounted is long, and
/// hardly ever changes.
static KNOWN: Mutex<Option<(String, PathBuf)>> = Mutex::new(None);

/// How many processes the kernel has killed for lack of memory so far: of this process's control
/// group, or of the whole machine where groups do not count them.
///
/// It says that something was killed between two looks, not what. None if nothing counts it.
pub(crate) fn oom_kills() -> Option<u64> {
    let read = |file: &Path| count(&short(file).ok()?);
    let groups = short("/proc/self/cgroup".as_ref()).unwrap_or_default();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known.as_ref().filter(|(of, _)| *of == groups);
    if let Some(kills) = found.and_then(|(_, file)| read(file)) {
        return Some(kills);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut files = counters(&groups, &mounts).into_iter();
    let counted = files.find_map(|file| Some((read(&file)?, file)));
    if let Some((kills, file)) = counted {
        *known = Some((groups, file));
        return Some(kills);
    }
    count(&fs::read_to_string("/proc/vmstat").ok()?)
}

/// The files that may count for this process, given its control groups and what is mounted.
fn counters(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    // Lines such as `4:memory:/a/b`, and `0::/a/b` of version 2.
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (kind, file) = if controllers.is_empty() {
            ("cgroup2", "memory.events")
        } else if controllers.split(',').any(|one| one == "memory") {
            ("cgroup", "memory.oom_control")
        } else {
            continue;
        };
        let folder = mounts.lines().find_map(|mount| folder(mount, kind, path));
        files.extend(folder.map(|folder| folder.join(file)));
    }
    files
}

/// Where the group `path` is found, if the line is about the right file system.
fn folder(mount: &str, kind: &str, path: &str) -> Option<PathBuf> {
    // Such as `36 35 0:30 /a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`: the mount shows
    // what is below `/a`.
    let (place, what) = mount.split_once(" - ")?;
    let mut what = what.split(' ');
    let right = what.next() == Some(kind);
    let options = what.nth(1).unwrap_or_default();
    if !right || kind == "cgroup" && !options.split(',').any(|option| option == "memory") {
        return None;
    }
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    // A container may see the path that its group has outside.
    let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    Some(Path::new(point).join(below))
}

/// The number behind `oom_kill`.
fn count(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_version_2_is_found() {
        let mounts = "22 1 0:20 / /proc rw - proc proc rw\n\
                      30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let files = counters("0::/user.slice/app\n", mounts);
        let file = "/sys/fs/cgroup/user.slice/app/memory.events";
        assert_eq!(files, [Path::new(file)]);
    }

    #[test]
    fn the_group_of_version_1_is_found_below_what_is_mounted() {
        let mounts = "31 23 0:27 /docker/7 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      32 23 0:28 /docker/7 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let groups = "5:cpu:/docker/7/a\n4:memory,other:/docker/7/a\n";
        let file = "/sys/fs/cgroup/memory/a/memory.oom_control";
        assert_eq!(counters(groups, mounts), [Path::new(file)]);
        let file = "/sys/fs/cgroup/memory/memory.oom_control";
        assert_eq!(counters("4:memory:/\n", mounts), [Path::new(file)]);
    }

    #[test]
    fn only_the_number_of_kills_is_taken() {
        let events = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 5\n";
        assert_eq!(count(events), Some(1));
        assert_eq!(
            count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"),
            Some(7)
        );
        assert_eq!(count("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn a_kernel_counts_its_kills() {
        // Linux counts them for the machine since 4.13.
        assert!(oom_kills().is_some());
    }
}

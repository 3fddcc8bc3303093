//! What `/proc` tells of a process.
//!
//! An id may have gone to another process since it was learned. Who acts on what is read here has to
//! make sure that it has not, with a descriptor of the process.

use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The name of this machine.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// The files of a process that are read whole are shorter than this.
const SHORT: usize = 4096;

/// A file of the kernel's that is short, in few system calls.
pub(super) fn short(path: &Path) -> io::Result<String> {
    let mut bytes = vec![0; SHORT];
    let len = fs::File::open(path)?.read(&mut bytes)?;
    bytes.truncate(len);
    // The name of a program need not be text.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Its children, those that it adopted among them, as they were while the list was read.
///
/// The list is whole if neither the process nor its children do anything meanwhile.
pub(super) fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    // A child belongs to the thread that made it.
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let mut path = thread?.path();
        path.push("children");
        match fs::read_to_string(path) {
            Ok(ids) => {
                let ids = ids.split_whitespace().map(str::parse::<u32>);
                children.extend(ids.flatten());
            }
            // The thread has ended; another one has its children.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(children)
}

/// A field of `stat`, numbered as in the manual, which its state and later ones have from 3 on.
fn stat(pid: u32, field: usize) -> Option<String> {
    let stat = short(format!("/proc/{pid}/stat").as_ref()).ok()?;
    stat_of(&stat, field).map(str::to_owned)
}

/// The same in what such a file holds.
pub(super) fn stat_of(stat: &str, field: usize) -> Option<&str> {
    // The name of the program before may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(field - 3)
}

/// True for a process that has ended and was not reaped.
pub(super) fn is_zombie(pid: u32) -> bool {
    stat(pid, 3).is_some_and(|state| state == "Z")
}

/// The parent of a process.
pub(super) fn parent(pid: u32) -> Option<u32> {
    stat(pid, 4)?.parse().ok()
}

/// When a process was started, in ticks of the kernel since its own start: together with its id this
/// tells it from all others.
pub(crate) fn started(pid: u32) -> Option<u64> {
    stat(pid, 22)?.parse().ok()
}

/// False if there is no thread with this id in any process.
pub(crate) fn thread_exists(id: u32) -> bool {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    // One that must not be signalled is there.
    id.is_some_and(|id| test_kill_process(id) != Err(Errno::SRCH))
}

/// True for a process that has not ended.
pub(crate) fn is_running(pid: u32) -> bool {
    thread_exists(pid) && !is_zombie(pid)
}

/// Bytes of memory that a process has at hand, files and shared memory included.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let statm = short(format!("/proc/{pid}/statm").as_ref()).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// Bytes that stand behind each of `names` in `status`, together.
pub(super) fn status_bytes(pid: u32, names: &[&str]) -> Option<u64> {
    // Behind a list of groups that can be long.
    let mut status = Vec::with_capacity(SHORT);
    let mut file = fs::File::open(format!("/proc/{pid}/status")).ok()?;
    file.read_to_end(&mut status).ok()?;
    Some(sum(&String::from_utf8_lossy(&status), names))
}

/// Bytes that stand behind each of `names` in `smaps_rollup`; none if this kernel does not tell.
///
/// Its shares of memory that several processes have add up to what there is, but the kernel visits
/// each page to find out.
pub(super) fn rollup_bytes(pid: u32, names: &[&str]) -> Option<u64> {
    let rollup = short(format!("/proc/{pid}/smaps_rollup").as_ref()).ok()?;
    let known = names.iter().all(|name| rollup.contains(name));
    known.then(|| sum(&rollup, names))
}

/// Adds up the lines with these names, which are in units of 1024 bytes.
fn sum(text: &str, names: &[&str]) -> u64 {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().strip_suffix(" kB")?;
        names.contains(&name).then(|| value.parse::<u64>().ok())?
    });
    lines.fold(0, |sum, value| {
        sum.saturating_add(value.saturating_mul(1024))
    })
}

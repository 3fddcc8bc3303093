//! What a process has, to see that nothing is left behind.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use parproc::{Process, parallel};

use crate::{
    Meeting, all_children, guardians, meet, program, role, settled, succeeds, unique, within,
};

/// What a process has, as far as a pool could leave it behind.
#[derive(Debug, PartialEq)]
pub struct Footprint {
    descriptors: Vec<PathBuf>,
    threads: Vec<String>,
    /// Zombies too.
    children: Vec<u32>,
    shared_mappings: usize,
    temporary_files: Vec<PathBuf>,
}

impl Footprint {
    /// What this process has now.
    ///
    /// # Panics
    /// When `/proc` cannot be read.
    #[must_use]
    pub fn now() -> Self {
        let links = fs::read_dir("/proc/self/fd").expect("/proc");
        // Reading the folder is itself a descriptor, which is gone when its link is looked at.
        let targets = links.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let own = format!("/proc/{}/fd", process::id());
        let mut descriptors: Vec<_> = targets
            .filter(|path| path.as_os_str() != own.as_str())
            .collect();
        descriptors.sort();
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc");
        let files = fs::read_dir(std::env::temp_dir()).expect("a folder");
        Self {
            descriptors,
            threads: threads(),
            children: all_children(),
            shared_mappings: maps.lines().filter(|line| line.contains("memfd:")).count(),
            temporary_files: files.map(|entry| entry.expect("a file").path()).collect(),
        }
    }

    /// How many threads have one of these names.
    #[must_use]
    pub fn threads_of(&self, names: &[&str]) -> usize {
        let named = |name: &&String| names.contains(&name.as_str());
        self.threads.iter().filter(named).count()
    }

    /// How many descriptors are open on something whose name contains `what`.
    #[must_use]
    pub fn descriptors_of(&self, what: &str) -> usize {
        let named = |path: &&PathBuf| path.to_string_lossy().contains(what);
        self.descriptors.iter().filter(named).count()
    }
}

/// The names of all threads; of one that ends just now an empty one.
fn threads() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").expect("/proc");
    let names = threads.map(|entry| {
        let name = fs::read_to_string(entry.expect("a thread").path().join("comm"));
        name.unwrap_or_default().trim_end().to_owned()
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Runs `body` in a program with a folder for temporary files of its own, and compares.
///
/// # Panics
/// When something is left behind, `body` panics, or the program is not done in time.
pub fn leaves_nothing(test: &str, body: impl FnOnce() + Send + 'static) {
    leaves_nothing_after(test, || {}, body);
}

/// So too; what `prepare` leaves behind is meant to stay.
///
/// # Panics
/// As [`leaves_nothing`].
pub fn leaves_nothing_after(
    test: &str,
    prepare: impl FnOnce() + Send + 'static,
    body: impl FnOnce() + Send + 'static,
) {
    const LIMIT: Duration = Duration::from_secs(170);
    if role().is_none() {
        let folder = std::env::temp_dir().join(unique("leaks"));
        fs::create_dir(&folder).expect("a folder");
        let said = succeeds(program(test, "count").env("TMPDIR", &folder));
        println!("{said}");
        let left: io::Result<()> = fs::remove_dir(&folder);
        left.expect("an empty folder");
        return;
    }
    // The thread in which it runs is counted before and after.
    within(LIMIT, || {
        prepare();
        let before = Footprint::now();
        let begin = Instant::now();
        body();
        println!("it took {:?}", begin.elapsed());
        let after = settled(&before, Footprint::now);
        assert_eq!(after, before);
    });
}

#[parallel]
fn comes_loudly(meeting: &str) {
    eprintln!("I come");
    meet(meeting, 0);
}

/// The first process makes what all of them share: a guardian, the thread that passes on what it writes,
/// and the one that looks after its result, as it runs for long.
///
/// # Panics
/// When one of these does not come.
pub fn first_process() {
    let meeting = Meeting::new();
    let process = Process::spawn(comes_loudly, meeting.name()).expect("a process");
    let guest = meeting.wait();
    let threads = || Footprint::now().threads_of(&["parproc-courier", "parproc-output"]);
    assert_eq!(settled(&2, threads), 2);
    drop(guest);
    process.join().expect("its end");
    assert_eq!(settled(&1, || guardians().len()), 1);
    // Of the descriptors that are needed to start it, that of its memory is the last one to go.
    let memories = || Footprint::now().descriptors_of("memfd:");
    assert_eq!(settled(&1, memories), 1);
}

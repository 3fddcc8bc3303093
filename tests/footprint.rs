//! What a process has, to see that nothing is left behind.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use crate::{all_children, program, role, settled, succeeds, unique, within};

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

//! What the test files share: time limits, meetings with running tasks, tallies of what was run,
//! processes to watch, and this test binary as a program of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use parproc::Pool;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What nothing may take longer than, also on a machine that is busy with something else.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Runs `body` and gives its result; a hang becomes a failure after [`LIMIT`].
///
/// # Panics
/// When `body` panics, or is not done in time.
pub fn in_time<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    within(LIMIT, body)
}

/// As [`in_time`], with a limit for longer work.
///
/// # Panics
/// When `body` panics, or is not done in time.
pub fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = channel();
    let name = thread::current().name().unwrap_or("test").to_owned();
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || done.send(body()).is_ok())
        .expect("a thread");
    match wait.recv_timeout(limit) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs: not done after {limit:?}"),
        Err(RecvTimeoutError::Disconnected) => {
            let payload = thread.join().expect_err("the thread sent nothing");
            std::panic::resume_unwind(payload)
        }
    }
}

/// A pool of `workers` workers.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("a pool")
}

/// A pool that runs everything in this process.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn inline_pool() -> Pool {
    Pool::builder().inline().build().expect("an inline pool")
}

/// A name that no other test and no other run uses.
#[must_use]
pub fn unique(what: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("parproc-test-{what}-{}-{count}", std::process::id())
}

/// Where a test meets tasks: each waits in [`meet`] until its [`Guest`] is dropped.
///
/// It is a socket without a file.
#[derive(Debug)]
pub struct Meeting {
    name: String,
    listener: UnixListener,
}

/// A task that waits in [`meet`].
#[derive(Debug)]
pub struct Guest {
    /// The process that the task runs in.
    pub process: Process,
    /// What the task said.
    pub word: u64,
    _stream: UnixStream,
}

impl Meeting {
    /// A new meeting.
    ///
    /// # Panics
    /// When the system has no socket for it.
    #[must_use]
    pub fn new() -> Self {
        let name = unique("meeting");
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let listener = UnixListener::bind_addr(&address).expect("a socket");
        Self { name, listener }
    }

    /// What a task needs to come.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until a task comes. It stays until the guest is dropped.
    ///
    /// # Panics
    /// When the task is gone again.
    #[must_use]
    pub fn wait(&self) -> Guest {
        let (mut stream, _) = self.listener.accept().expect("a guest");
        let mut said = [0; 12];
        stream.read_exact(&mut said).expect("what the guest says");
        let [a, b, c, d, word @ ..] = said;
        Guest {
            process: Process::watch(u32::from_ne_bytes([a, b, c, d])),
            word: u64::from_ne_bytes(word),
            _stream: stream,
        }
    }
}

impl Default for Meeting {
    fn default() -> Self {
        Self::new()
    }
}

/// Called by a task: comes to the meeting of this name, says `word`, and stays until released.
///
/// # Panics
/// When there is no such meeting.
pub fn meet(name: &str, word: u64) {
    let address = SocketAddr::from_abstract_name(name).expect("an address");
    let mut stream = UnixStream::connect_addr(&address).expect("a meeting");
    let mut said = std::process::id().to_ne_bytes().to_vec();
    said.extend(word.to_ne_bytes());
    stream.write_all(&said).expect("somebody who listens");
    // The end of the stream, in whatever way it comes, is the release.
    let _ = stream.read(&mut [0]);
}

/// A process that is known by a descriptor, which stays right after its end.
#[derive(Debug)]
pub struct Process {
    /// Its id.
    pub id: u32,
    fd: OwnedFd,
}

impl Process {
    /// Watches a process that runs.
    ///
    /// # Panics
    /// When there is none with this id.
    #[must_use]
    pub fn watch(id: u32) -> Self {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let fd = pidfd_open(pid.expect("an id"), PidfdFlags::empty()).expect("a process");
        Self { id, fd }
    }

    /// Watches a child of this process; none if there is no such child.
    #[must_use]
    pub fn child(id: u32) -> Option<Self> {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw)?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // The id may belong to another process by now; the descriptor stays with the one it was opened for.
        (parent_of(id) == Some(std::process::id())).then_some(Self { id, fd })
    }

    /// Ends it with SIGKILL.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) {
        assert!(self.try_signal(signal), "a process that runs");
    }

    /// Sends it a signal; false when it has ended already.
    #[must_use]
    pub fn try_signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.fd, signal).is_ok()
    }

    /// Waits for its end, at most for `limit`; says whether it has ended.
    ///
    /// # Panics
    /// When the system refuses to wait.
    #[must_use]
    pub fn ends_within(&self, limit: Duration) -> bool {
        let timeout = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).expect("a limit that the clock knows"),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout))).expect("a wait") > 0
    }

    /// True when it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }
}

/// A file in which tasks note what they do, one line each.
#[derive(Debug)]
pub struct Tally {
    path: String,
}

impl Tally {
    /// An empty tally.
    ///
    /// # Panics
    /// When the file cannot be made, or its name is no text.
    #[must_use]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(unique("tally"));
        let path = path.to_str().expect("a path of text").to_owned();
        fs::write(&path, "").expect("a file");
        Self { path }
    }

    /// What a task needs to note something.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How often each line was noted.
    ///
    /// # Panics
    /// When the file is gone.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(&self.path).expect("the file").lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        counts
    }

    /// How many lines were noted.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts().values().sum()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Called by a task: notes `what` in the tally at `path`. Lines of several processes do not mix.
///
/// # Panics
/// When the tally is gone.
pub fn note(path: &str, what: impl Display) {
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .expect("the tally");
    file.write_all(format!("{what}\n").as_bytes())
        .expect("a line in the tally");
}

/// Called by a task: overwrites the beginning of all memory that its worker shares with others and can write.
///
/// # Panics
/// When `/proc` cannot be used.
pub fn scribble() {
    let maps = fs::read_to_string("/proc/self/maps").expect("the maps");
    let memory = OpenOptions::new().write(true).open("/proc/self/mem");
    let memory = memory.expect("the memory");
    for line in maps.lines().filter(|line| line.contains(" rw-s ")) {
        let start = line.split('-').next().expect("an address");
        let start = u64::from_str_radix(start, 16).expect("an address");
        memory.write_all_at(&[0xff; 4096], start).expect("a page");
    }
}

const PROGRAM: &str = "PARPROC_TEST_PROGRAM";

/// This test binary as a program: it runs only the test `test`, for which [`role`] is `role` then.
///
/// Its environment names no number of workers and no inline pools, and its output is piped.
///
/// # Panics
/// When the test binary has no path.
#[must_use]
pub fn program(test: &str, role: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args([test, "--exact", "--nocapture", "--quiet"])
        .env(PROGRAM, role)
        .env_remove("PARPROC_WORKERS")
        .env_remove("PARPROC_INLINE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// True if this process is a rank of a launch of `mpirun` and the like, so that pools have nodes.
#[must_use]
pub fn is_launched() -> bool {
    // A process that a rank started inherits the variable, and is none.
    let rank = std::env::var("PARPROC_RANK").unwrap_or_default();
    let of_rank = rank.split(' ').next();
    of_rank == Some(&std::process::id().to_string())
}

/// True for a variable that a launcher sets in its ranks, which workers do not have.
#[must_use]
pub fn is_of_launcher(name: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "OMPI_", "ORTE_", "PRTE_", "PMIX_", "PMI_", "HYDI_", "HYDRA_", "MPI",
    ];
    name == "PARPROC_RANK" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What the test is to play in the program that [`program`] started; none in an ordinary run.
#[must_use]
pub fn role() -> Option<String> {
    std::env::var(PROGRAM).ok()
}

/// Runs a program to its end, which has to be a success, and gives what it printed.
///
/// # Panics
/// When it fails; the message holds its output.
pub fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{errors}");
    said.into_owned()
}

/// The workers of this process, zombies included, from the moment on at which they are programs: one
/// that is a copy of this process yet must not be touched.
///
/// # Panics
/// When `/proc` cannot be read.
#[must_use]
pub fn children() -> Vec<u32> {
    all_children()
        .into_iter()
        .filter(|id| is_worker(*id))
        .collect()
}

/// All processes whose parent is this one, zombies included.
///
/// # Panics
/// When `/proc` cannot be read.
#[must_use]
pub fn all_children() -> Vec<u32> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").expect("/proc");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| parent_of(*id) == Some(own)).collect()
}

/// The guardians of this process's pools.
///
/// # Panics
/// When `/proc` cannot be read.
#[must_use]
pub fn guardians() -> Vec<u32> {
    all_children()
        .into_iter()
        .filter(|id| is_guardian(*id))
        .collect()
}

/// Known by its name, which no other process has.
fn is_guardian(id: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{id}/comm"));
    name.is_ok_and(|name| name == "parproc-guard\n")
}

fn is_worker(id: u32) -> bool {
    // As it was when the program was executed; a zombie has none.
    let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    let mut entries = environment.split(|byte| *byte == 0);
    let attach = entries.find(|entry| entry.starts_with(b"PARPROC_ATTACH_"));
    match attach.map(String::from_utf8_lossy) {
        Some(attach) => !attach.contains("=guard:"),
        None => environment.is_empty() && !is_guardian(id),
    }
}

/// The parent of a process, if that exists.
fn parent_of(id: u32) -> Option<u32> {
    let status = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

/// Looks again and again until `look` gives what is `wanted`, for [`LIMIT`] at most, and gives
/// what it saw last.
///
/// For what the kernel does in its own time, such as taking an ended thread out of its lists.
pub fn settled<T: PartialEq>(wanted: &T, look: impl Fn() -> T) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        let seen = look();
        if seen == *wanted || Instant::now() > end {
            return seen;
        }
        thread::yield_now();
    }
}

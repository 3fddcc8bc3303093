//! This test binary as a child that plays a role, and what the tests see of it.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::os::fd::AsFd;
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sys::child::Usage;
use crate::sys::{Child, ChildSpec, Exit, environment_with, wait_readable};

/// What nothing may take longer than.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

const ROLE: &str = "PARPROC_TEST_ROLE";
const MARK: &str = "PARPROC_TEST_MARK";
/// Lines of a role begin with it, since the test harness prints lines of its own.
const SIGN: char = '#';

/// The role that this process plays if it was started as an [`actor`].
pub(super) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// In a role: says something to the test.
pub(super) fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{SIGN}{what}").expect("a test that listens");
    out.flush().expect("a test that listens");
}

/// In a role: waits to be killed.
pub(super) fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// This test binary, to run only the test `test` of this folder, for which [`role`] is `role` then.
pub(super) fn actor(test: &str, role: &str) -> ChildSpec<'static> {
    let test = format!("sys::tests::{test}");
    let arguments = ["test", &test, "--exact", "--nocapture", "--quiet"];
    let mut environment = environment_with(None, ROLE, role);
    // One that plays a role itself starts others with marks of their own.
    environment.retain(|(key, _)| key != MARK);
    ChildSpec {
        arguments: arguments.map(Into::into).into(),
        environment,
        ..ChildSpec::default()
    }
}

/// A child that plays a role. It and all that it starts are known by a mark.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) child: Child,
    lines: BufReader<PipeReader>,
    pub(super) mark: String,
}

impl Actor {
    /// Starts a child for [`actor`].
    pub(super) fn start(test: &str, role: &str) -> Self {
        Self::play(actor(test, role))
    }

    /// Starts what [`actor`] describes, perhaps with changes.
    pub(super) fn play(spec: ChildSpec<'_>) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let (reader, writer) = pipe().expect("a pipe");
        let mut spec = ChildSpec {
            stdout: Some(writer.as_fd()),
            ..spec
        };
        spec.environment.push((MARK.into(), mark.clone().into()));
        let mut child = Child::spawn(&spec).expect("a child");
        Child::settle(std::iter::once(&mut child));
        Self {
            child,
            lines: BufReader::new(reader),
            mark,
        }
    }

    /// The next thing that the role says; none when it has nothing more to say.
    pub(super) fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let len = self.lines.read_line(&mut line).expect("a line");
            // The harness writes its own lines without an end now and then.
            if let Some((_, said)) = line.split_once(SIGN) {
                return Some(said.trim_end().to_owned());
            }
            if len == 0 {
                return None;
            }
        }
    }

    /// Waits until it has ended and reaps it.
    pub(super) fn end(&mut self) -> (Exit, Usage) {
        let ended = wait_readable(&[self.child.as_fd()], Some(LIMIT)).expect("a wait");
        assert_eq!(ended, [true], "it hangs");
        self.child.try_wait().expect("an end")
    }

    /// The processes that are left of it and of all that it started, once these are `count`, or after
    /// a while, after which they are killed.
    pub(super) fn left(&self, count: usize) -> Vec<u32> {
        left(&self.mark, count)
    }

    /// Drops the child, and gives its mark.
    pub(super) fn dismiss(self) -> String {
        self.mark
    }
}

/// What [`Actor::left`] gives for an actor with this mark.
pub(super) fn left(mark: &str, count: usize) -> Vec<u32> {
    let begin = Instant::now();
    loop {
        let left = marked(mark);
        if left.len() == count {
            return left;
        }
        if begin.elapsed() > LIMIT {
            for pid in left.iter().filter_map(|id| Pid::from_raw(*id as i32)) {
                let _ = kill_process(pid, Signal::KILL);
            }
            return left;
        }
        std::thread::yield_now();
    }
}

/// The processes whose environment has the mark; zombies have none.
pub(super) fn marked(mark: &str) -> Vec<u32> {
    let entry = format!("{MARK}={mark}\0");
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = processes.filter_map(|one| one.file_name().to_str()?.parse::<u32>().ok());
    let is_marked = |id: &u32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let mut windows = environment.windows(entry.len());
        windows.any(|window| window == entry.as_bytes())
    };
    ids.filter(is_marked).collect()
}

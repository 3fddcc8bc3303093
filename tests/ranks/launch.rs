//! Launchers, and what they started.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use parproc_tests::{Process, program, settled, unique, within};

/// What nothing may take longer than: ranks take a second to start on a busy machine, and many do so here.
const LIMIT: Duration = Duration::from_secs(90);
/// After the end of a launch nothing of it is left within this time.
const SOON: Duration = Duration::from_secs(8);
/// The test of this binary that is the launched program.
pub(crate) const PROGRAM: &str = "program::program";
/// In the environment of all that belongs to a launch.
const MARK: &str = "PARPROC_TEST_MARK";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mpi {
    Open,
    Mpich,
}

/// Which launchers there are, with their programs; what is missing is said.
pub(crate) fn installed() -> Vec<(Mpi, PathBuf)> {
    let mut found = Vec::new();
    let kinds: [(Mpi, &str, &[&str]); 2] = [
        (Mpi::Open, "Open MPI", &["mpirun.openmpi", "mpirun"]),
        (Mpi::Mpich, "HYDRA", &["mpirun.mpich", "mpirun"]),
    ];
    for (mpi, words, names) in kinds {
        let answers = |name: &&&str| {
            let output = Command::new(name).arg("--version").output();
            output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(words))
        };
        match names.iter().find(answers) {
            Some(name) => found.push((mpi, PathBuf::from(name))),
            None => println!("skipped for {mpi:?}: none of {names:?} is installed"),
        }
    }
    found
}

/// Does the same with each launcher that is there.
pub(crate) fn with_each(body: impl Fn(Mpi) + Clone + Send + 'static) {
    for (mpi, _) in installed() {
        let body = body.clone();
        within(LIMIT, move || {
            println!("with {mpi:?}:");
            body(mpi);
        });
    }
}

/// Does it with Open MPI, if that is there: the other one ends a launch with each rank that is lost.
pub(crate) fn with_open(body: impl FnOnce() + Send + 'static) {
    if installed().iter().any(|(mpi, _)| *mpi == Mpi::Open) {
        within(LIMIT, body);
    }
}

/// A launcher that runs, or will.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) command: Command,
    mark: String,
}

/// A launcher that was started.
#[derive(Debug)]
pub(crate) struct Launched {
    child: std::process::Child,
    mark: Mark,
}

/// Ends all that has it when it is dropped.
#[derive(Debug)]
struct Mark(String);

/// How a launch ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) output: Output,
    pub(crate) said: String,
}

impl Launch {
    /// A launcher without ranks, in a group of its own, as in a terminal.
    pub(crate) fn new(mpi: Mpi) -> Self {
        let launchers = installed();
        let launcher = launchers.iter().find(|(kind, _)| *kind == mpi);
        let mut command = Command::new(&launcher.expect("a launcher").1);
        // This may run in a rank itself.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let prefixes = [
                "OMPI_",
                "ORTE_",
                "PMIX_",
                "PMI_",
                "HYDI_",
                "HYDRA_",
                "MPI_LOCAL",
            ];
            if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        let mark = unique("mark");
        command
            .env_remove("PARPROC_RANK")
            .env(MARK, &mark)
            .env("RUST_BACKTRACE", "0")
            // Each rank has a worker, whatever the machine.
            .env("PARPROC_SLOTS", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if mpi == Mpi::Open {
            command.arg("--oversubscribe");
        }
        Self { command, mark }
    }

    /// So many ranks of the program, which plays this role.
    pub(crate) fn of(mpi: Mpi, ranks: usize, role: &str) -> Self {
        let mut launch = Self::new(mpi);
        launch.ranks(ranks, role);
        launch
    }

    /// Further ranks of the program.
    pub(crate) fn ranks(&mut self, ranks: usize, role: &str) {
        let program = program(PROGRAM, role);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => self.command.env(name, value),
                None => self.command.env_remove(name),
            };
        }
        let mut arguments = vec![OsString::from("-n"), ranks.to_string().into()];
        arguments.push(program.get_program().to_owned());
        arguments.extend(program.get_args().map(OsString::from));
        self.command.args(arguments);
    }

    /// As [`of`](Launch::of) with Open MPI, in a launch that outlives ranks.
    pub(crate) fn recovering(ranks: usize, role: &str) -> Self {
        let mut launch = Self::new(Mpi::Open);
        launch.command.arg("--enable-recovery");
        launch.ranks(ranks, role);
        launch
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(mut self) -> Launched {
        Launched {
            child: self.command.spawn().expect("a launcher"),
            mark: Mark(self.mark),
        }
    }

    /// Waits for the end.
    pub(crate) fn run(self) -> End {
        self.start().end()
    }
}

impl Launched {
    /// The launcher itself.
    pub(crate) fn launcher(&self) -> Process {
        Process::watch(self.child.id())
    }

    /// The process of a rank, which has begun.
    pub(crate) fn rank(&self, rank: usize) -> Process {
        let names = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"];
        let variables = names.map(|name| format!("{name}={rank}"));
        let holders = self.mark.holders().into_iter();
        let mut ranks = holders.filter(|id| variables.iter().any(|one| has_variable(*id, one)));
        Process::watch(ranks.next().expect("the rank"))
    }

    /// Waits until so many pools have what ends the processes that their workers started, should they be killed.
    pub(crate) fn wait_for_guardians(&self, wanted: usize) {
        let guardians = || {
            let named = |id: &u32| {
                let name = fs::read_to_string(format!("/proc/{id}/comm"));
                name.is_ok_and(|name| name == "parproc-guard\n")
            };
            self.mark.holders().iter().filter(|id| named(id)).count()
        };
        assert_eq!(settled(&wanted, guardians), wanted);
    }

    /// Waits for the launcher's end, and then for that of all that it brought about, which has to come soon.
    pub(crate) fn end(self) -> End {
        let Self { child, mark } = self;
        let waited = Instant::now();
        let output = child.wait_with_output().expect("a launcher");
        let begin = Instant::now();
        let waited = begin - waited;
        while !mark.holders().is_empty() && begin.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let left: Vec<_> = mark.holders().into_iter().map(described).collect();
        assert!(left.is_empty(), "{left:#?} are left; {output:?}");
        println!(
            "  {} after {waited:?}, and nothing was left {:?} later",
            output.status,
            begin.elapsed()
        );
        End { output, said }
    }
}

impl Mark {
    /// All processes that have the mark in their environment, but those that ended.
    fn holders(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.0);
        let processes = fs::read_dir("/proc").expect("/proc");
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter(|id| has_variable(*id, &mark)).collect()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        for id in self.holders() {
            let id = i32::try_from(id)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            if let Some(id) = id {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
        }
    }
}

/// True for a process that was started with a variable that has this value.
fn has_variable(id: u32, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    let mut entries = environment.split(|byte| *byte == 0);
    entries.any(|entry| entry == variable.as_bytes())
}

/// A process, for people.
fn described(id: u32) -> String {
    let read = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
    let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
    let status = String::from_utf8_lossy(&read("status")).into_owned();
    let state = status.lines().find(|line| line.starts_with("State"));
    format!("{id} {line}({})", state.unwrap_or_default())
}

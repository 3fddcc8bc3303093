//! Who takes part: programs that are started once, and answer commands.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::serve::FLAG;

/// What a line with an answer begins with.
pub(crate) const ANSWER: &str = "answer: ";
/// How many workers each side has.
pub(crate) const WORKERS: usize = 2;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cluster/futures.py");

/// One that takes part, or the reason why it does not.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) state: Result<Running, String>,
}

pub(crate) struct Running {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// All that can take part here.
pub(crate) fn all() -> Vec<Side> {
    let own = std::env::current_exe().expect("this program");
    let own = own.to_str().expect("a path of text");
    let ranks = |mut launcher: Command, slots: fn(&str) -> Vec<String>| {
        // Rank 0 only gives work away; the others have a worker each.
        launcher
            .args(["-n", "1"])
            .args(slots("0"))
            .args([own, FLAG]);
        launcher
            .args([":", "-n", "2"])
            .args(slots("1"))
            .args([own, FLAG]);
        launcher
    };
    let local = || {
        let mut command = Command::new(own);
        command.arg(FLAG);
        command
    };
    let with_open_mpi = |launcher| {
        ranks(launcher, |slots| {
            vec!["-x".to_owned(), format!("PARPROC_SLOTS={slots}")]
        })
    };
    let with_mpich = |launcher| {
        let set = |slots: &str| ["-env", "PARPROC_SLOTS", slots].map(str::to_owned).to_vec();
        ranks(launcher, set)
    };
    let with_python = |mut launcher: Command| -> Result<Command, String> {
        launcher.args(["-n", "3", python()?, "-m", "mpi4py.futures", PYTHON]);
        Ok(launcher)
    };
    let side = |name, command: Result<Command, String>| Side {
        name,
        state: command.and_then(Running::start),
    };
    vec![
        side("local workers", Ok(local())),
        side("ranks of Open MPI", open_mpi().map(with_open_mpi)),
        side("ranks of MPICH", mpich().map(with_mpich)),
        side("mpi4py.futures", open_mpi().and_then(with_python)),
    ]
}

/// A launcher that says `sign` of itself.
fn launcher(names: [&str; 2], sign: &str) -> Result<Command, String> {
    let mut names = names.into_iter();
    let says = |name: &str| {
        let output = Command::new(name).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(sign))
    };
    let name = names.find(|name| says(name));
    name.map(Command::new)
        .ok_or_else(|| format!("no `mpirun` of {sign} is installed"))
}

fn open_mpi() -> Result<Command, String> {
    let mut command = launcher(["mpirun.openmpi", "mpirun"], "Open MPI")?;
    command
        .arg("--oversubscribe")
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    Ok(command)
}

fn mpich() -> Result<Command, String> {
    launcher(["mpirun.mpich", "mpirun"], "HYDRA")
}

/// A Python that has mpi4py: the command `python3` may be another one than the system's.
fn python() -> Result<&'static str, String> {
    let has = |python: &&str| {
        let status = Command::new(python)
            .args(["-c", "import mpi4py.futures"])
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    let mut pythons = ["python3", "/usr/bin/python3"].into_iter();
    pythons
        .find(has)
        .ok_or_else(|| "no `python3` with mpi4py is installed".to_owned())
}

impl Side {
    /// What it answers; none when it does not take part.
    pub(crate) fn ask(&mut self, command: &str) -> Option<f64> {
        Some(self.answer(command)?.parse().expect("a figure"))
    }

    /// How much of a CPU the busier one of two of its processes uses when there is nothing to do for so long: the
    /// one that gives work away, and the owner of a worker.
    pub(crate) fn idle(&mut self, span: Duration) -> Option<f64> {
        let ranks: Vec<u32> = self
            .answer("ranks")?
            .split(' ')
            .map(|rank| rank.parse().expect("a process id"))
            .collect();
        // What was just done is over then.
        std::thread::sleep(span / 3);
        let used = || -> Vec<f64> { ranks.iter().map(|rank| processor_seconds(*rank)).collect() };
        let (before, begin) = (used(), Instant::now());
        std::thread::sleep(span);
        let seconds = begin.elapsed().as_secs_f64();
        let shares = used()
            .into_iter()
            .zip(before)
            .map(|(now, before)| (now - before) / seconds);
        shares.max_by(f64::total_cmp)
    }

    fn answer(&mut self, command: &str) -> Option<String> {
        let running = self.state.as_mut().ok()?;
        let commands = running.commands.as_mut().expect("it was not ended");
        writeln!(commands, "{command}").expect("a program that listens");
        let mut line = String::new();
        // A launcher may have something to say as well.
        loop {
            line.clear();
            let length = running.answers.read_line(&mut line).expect("an answer");
            assert!(length > 0, "{}: it ended at `{command}`", self.name);
            if let Some(answer) = line.trim_end().strip_prefix(ANSWER) {
                assert!(
                    !answer.starts_with("error"),
                    "{}: `{command}`: {answer}",
                    self.name
                );
                return Some(answer.to_owned());
            }
        }
    }
}

impl Running {
    fn start(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let commands = child.stdin.take();
        Ok(Self {
            child,
            commands,
            answers,
        })
    }
}

impl Drop for Running {
    /// The end of its input is the end of the program.
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}

/// The processor time that a process has used.
fn processor_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(") ").expect("its fields");
    // The 14th and 15th field of all, in hundredths of a second.
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / 100.0
}

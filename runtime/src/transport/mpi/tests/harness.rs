//! Starts this binary under the launchers of MPI that are installed.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::parts::PART;

/// A launch that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
pub(super) enum Mpirun {
    OpenMpi(&'static str),
    Mpich(&'static str),
}

#[derive(Debug)]
pub(super) struct Launched {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// Those that are installed. Says which are not.
pub(super) fn launchers() -> impl Iterator<Item = Mpirun> {
    let says = |program: &&str, what: &str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(what))
    };
    let open_mpi = ["mpirun.openmpi", "mpirun"]
        .into_iter()
        .find(|program| says(program, "Open MPI"));
    let mpich = ["mpirun.mpich", "mpiexec.hydra", "mpirun"]
        .into_iter()
        .find(|program| says(program, "HYDRA"));
    if open_mpi.is_none() {
        eprintln!("skipped for Open MPI: no mpirun of it is installed");
    }
    if mpich.is_none() {
        eprintln!("skipped for MPICH: no mpirun of it is installed");
    }
    let open_mpi = open_mpi.map(Mpirun::OpenMpi);
    open_mpi.into_iter().chain(mpich.map(Mpirun::Mpich))
}

impl Mpirun {
    pub(super) fn is_open_mpi(&self) -> bool {
        matches!(self, Mpirun::OpenMpi(_))
    }

    pub(super) fn library(&self) -> &'static str {
        match self {
            Mpirun::OpenMpi(_) => "libmpi.so.40",
            Mpirun::Mpich(_) => "libmpich.so.12",
        }
    }

    /// Has ranks play a part. After `:` among the options, one more rank runs a program that is none of ours.
    pub(super) fn launch(
        self,
        part: &str,
        ranks: usize,
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> Launched {
        let (options, other) = match options {
            [":", other] => (&[][..], Some(*other)),
            _ => (options, None),
        };
        let (Mpirun::OpenMpi(program) | Mpirun::Mpich(program)) = self;
        let mut command = Command::new(program);
        if self.is_open_mpi() {
            command
                .arg("--oversubscribe")
                .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
                .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        }
        command
            .args(options)
            .args(["-n", &ranks.to_string()])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "transport::mpi::tests::part"])
            .env(PART, part)
            // The ranks speak to each other by themselves, and not for pools.
            .env(crate::transport::launch::SWITCH, "off")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(other) = other {
            command.args([":", "-n", "1", other, "60"]);
        }
        let mut child = command.spawn().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let end = Instant::now() + PATIENCE;
        std::thread::scope(|scope| {
            let out = scope.spawn(move || read(&mut out));
            let err = scope.spawn(move || read(&mut err));
            let code = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status.code();
                }
                if Instant::now() > end {
                    // The launcher ends the ranks.
                    let pid = rustix::process::Pid::from_child(&child);
                    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
                    child.wait().unwrap();
                    break None;
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            let (out, err) = (out.join().unwrap(), err.join().unwrap());
            Launched { code, out, err }
        })
    }
}

fn read(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

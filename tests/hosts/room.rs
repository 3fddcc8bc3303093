//! Hosts of its own for a test, on one machine: each is a set of namespaces, and a bridge joins them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use parproc_tests::{LIMIT, Process};
use tempfile::TempDir;

/// Hosts with the names `h1`, `h2`, …, which are joined by a network that no one else sees.
///
/// Dropping them ends all processes that run there. The kernel does so too when this process ends.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// Ends with this process; the room's first process ends with it, and all others with that.
    room: Child,
    first: Process,
    hosts: Vec<Host>,
    folder: TempDir,
}

#[derive(Debug)]
struct Host {
    name: String,
    /// Its first process, as the room numbers it.
    pid: u32,
    network: String,
}

/// Why there are no hosts here.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl Hosts {
    /// Makes `count` hosts. They see the files of this machine.
    pub(crate) fn start(count: usize) -> Result<Self, Skip> {
        if !has("ip") || !has("nsenter") || !has("setpriv") {
            return Err(Skip("iproute2 or util-linux is not installed".into()));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a script");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
            path
        };
        let script_of_room = script("room", include_str!("room.sh"));
        script("agent", include_str!("agent.sh"));
        let mut room = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount"])
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
            .arg(script_of_room)
            .arg(count.to_string())
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a room");
        let lines = BufReader::new(room.stdout.take().expect("a pipe")).lines();
        let mut hosts = Vec::new();
        for line in lines.map_while(Result::ok) {
            if line == "ready" {
                let first = first_child(room.id()).expect("the room's first process");
                return Ok(Self {
                    room,
                    first: Process::watch(first),
                    hosts,
                    folder,
                });
            }
            let mut words = line.split(' ').map(str::to_owned);
            let mut word = || words.next().expect("a word");
            hosts.push(Host {
                name: word(),
                pid: word().parse().expect("a process id"),
                network: word(),
            });
        }
        let _ = room.kill();
        let mut said = String::new();
        let mut errors = room.stderr.take().expect("a pipe");
        errors.read_to_string(&mut said).expect("what it said");
        room.wait().expect("its end");
        Err(Skip(format!(
            "namespaces cannot be made here: {}",
            said.trim()
        )))
    }

    /// A command that runs `program` on a host, with the variables of this process.
    pub(crate) fn command(&self, host: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.id.to_string()])
            .args(["--net", "--mount", "--pid", "--", "nsenter"])
            .args(["--target", &self.host(host).pid.to_string()])
            .args(["--net", "--uts", "--mount"])
            .arg(format!("--wd={}", self.folder.path().display()))
            .arg("--")
            .arg(program)
            .env("TMPDIR", self.folder.path());
        command
    }

    /// A command for Open MPI's `mpirun` on the first host, with one rank on each unless `options` say otherwise.
    /// It takes arguments and variables of `program`; only the first host gets the variables.
    pub(crate) fn mpirun(&self, options: &[&str], program: &Command) -> Command {
        let names: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        let mut command = self.command("h1", "mpirun.openmpi");
        command
            .arg("--mca")
            .arg("plm_rsh_agent")
            .arg(self.folder.path().join("agent"))
            .args(["--mca", "btl", "tcp,self"])
            .args(["--host", &names.join(",")])
            .args(options)
            .arg(program.get_program())
            .args(program.get_args())
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// The processes that run on a host, zombies left out.
    pub(crate) fn processes(&self, host: &str) -> Vec<u32> {
        let host = self.host(host);
        let entries = fs::read_dir("/proc").expect("/proc");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // A zombie has no network.
        ids.filter(|id| network_of(*id).as_deref() == Some(&host.network))
            .filter(|id| room_id(*id) != Some(host.pid))
            .collect()
    }

    /// The process on a host that calls itself `id`.
    pub(crate) fn process(&self, host: &str, id: u32) -> Process {
        let mut ids = self.processes(host).into_iter();
        let id = ids.find(|outer| room_id(*outer) == Some(id));
        Process::watch(id.expect("a process of that host"))
    }

    /// Nothing reaches that host any more, and nothing comes from it.
    pub(crate) fn cut(&self, host: &str) {
        let status = Command::new("nsenter")
            .args(["--target", &self.first.id.to_string(), "--net", "--"])
            .args(["ip", "link", "set", host, "down"])
            .status();
        assert!(status.expect("a link").success());
    }

    fn host(&self, name: &str) -> &Host {
        let mut hosts = self.hosts.iter();
        hosts.find(|host| host.name == name).expect("a host")
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.room.kill();
        let _ = self.room.wait();
        if !self.first.ends_within(LIMIT) && !std::thread::panicking() {
            panic!("the hosts stay");
        }
    }
}

/// True when that program can be run.
pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).exists())
}

fn first_child(id: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn network_of(id: u32) -> Option<String> {
    let link = fs::read_link(Path::new("/proc").join(id.to_string()).join("ns/net")).ok()?;
    Some(link.to_str()?.to_owned())
}

/// How a process is numbered in the innermost pid namespace that it is in.
fn room_id(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

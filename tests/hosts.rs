//! A launch on three hosts: what runs there, and what is left of it when workers, ranks or hosts are lost.
//!
//! The hosts are namespaces of this machine; where these are not allowed, the tests say so and do nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::thread;
use std::time::Duration;

use parproc::{Pool, parallel};
use parproc_tests::{Process, Tally, note, program, role, settled, within};
use rustix::process::Signal;

#[path = "hosts/room.rs"]
mod room;

use room::{Hosts, Skip, has};

const HOSTS: [&str; 3] = ["h1", "h2", "h3"];

/// How long a test may take: a launcher starts, and a rank is given up.
const WHOLE: Duration = Duration::from_secs(90);

/// Runs on some host: notes where, and stays until the tally has the line "go".
#[parallel]
fn held(item: u32, tally: &str) -> u32 {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    note(
        tally,
        format!("began {item} {} {}", host.trim(), std::process::id()),
    );
    while !fs::read_to_string(tally)
        .expect("the tally")
        .contains("go\n")
    {
        thread::sleep(Duration::from_millis(5));
    }
    note(tally, format!("ended {item}"));
    item
}

/// What rank 0 does in all tests: 24 calls, of which it prints how each ended.
fn play(tally: &str) {
    let items = (0..24).map(|item| (item, tally));
    let outcomes = Pool::global().expect("a pool").outcomes(held, items);
    for (item, outcome) in outcomes.expect("a call").into_iter().enumerate() {
        match outcome {
            Ok(value) => println!("{item}: is {value}"),
            Err(error) => println!("{item}: {error}"),
        }
    }
    println!("the end");
}

/// The program on three hosts, with two workers on each.
struct Launch {
    // In this order: nothing reads the output when the hosts are gone.
    launcher: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    tally: Tally,
    hosts: Hosts,
}

impl Launch {
    /// None where there can be no hosts, which it says.
    fn start(test: &str, options: &[&str]) -> Option<Self> {
        if !has("mpirun.openmpi") {
            println!("skipped: {test}: Open MPI is not installed");
            return None;
        }
        let hosts = match Hosts::start(HOSTS.len()) {
            Ok(hosts) => hosts,
            Err(Skip(reason)) => {
                println!("skipped: {test}: {reason}");
                return None;
            }
        };
        let tally = Tally::new();
        let program = program(test, tally.path());
        let exported = ["-x", "PARPROC_SLOTS", "-x", "PARPROC_SILENCE"];
        let mut command = hosts.mpirun(&[&exported, options].concat(), &program);
        command
            .env("PARPROC_SLOTS", "2")
            .env("PARPROC_SILENCE", "2");
        let mut launcher = command.spawn().expect("mpirun");
        let lines = BufReader::new(launcher.stdout.take().expect("a pipe")).lines();
        Some(Self {
            launcher,
            lines,
            tally,
            hosts,
        })
    }

    /// The calls that run now that each worker has one: item, host, and the worker's id there.
    fn running(&self) -> Vec<(u32, String, u32)> {
        let running = || -> Vec<(u32, String, u32)> {
            let counts = self.tally.counts();
            let began = counts.keys().filter_map(|line| line.strip_prefix("began "));
            began
                .map(|line| {
                    let mut words = line.split(' ');
                    let mut word = || words.next().expect("a word").to_owned();
                    (
                        word().parse().expect("an item"),
                        word(),
                        word().parse().expect("an id"),
                    )
                })
                .collect()
        };
        assert_eq!(settled(&6, || running().len()), 6, "{:?}", running());
        running()
    }

    fn let_go(&self) {
        note(self.tally.path(), "go");
    }

    /// What rank 0 printed about each item, when it has printed all.
    fn outcomes(&mut self) -> BTreeMap<u32, String> {
        let mut outcomes = BTreeMap::new();
        for line in self.lines.by_ref() {
            let line = line.expect("a line");
            if line == "the end" {
                return outcomes;
            }
            if let Some((item, outcome)) = line.split_once(": ")
                && let Ok(item) = item.parse()
            {
                outcomes.insert(item, outcome.to_owned());
            }
        }
        panic!("it ended before: {outcomes:?} {}", self.errors())
    }

    /// What the launcher and the ranks wrote to standard error.
    fn errors(&mut self) -> String {
        let mut said = String::new();
        let errors = self.launcher.stderr.take();
        errors
            .expect("a pipe")
            .read_to_string(&mut said)
            .expect("what was said");
        said
    }

    /// The launcher itself, which is a grandchild of this process.
    fn mpirun(&self) -> Process {
        let hosts = self.hosts.processes("h1");
        let mut named = hosts.into_iter().filter(|id| {
            let name = fs::read_to_string(format!("/proc/{id}/comm"));
            name.is_ok_and(|name| name == "mpirun.openmpi\n" || name == "orterun\n")
        });
        Process::watch(named.next().expect("mpirun"))
    }

    /// The rank on a host: the process of the program that the launcher started there.
    fn rank(&self, host: &str) -> Process {
        let ids = self.hosts.processes(host);
        let own = std::env::current_exe().expect("this program");
        let is_rank = |id: &u32| {
            let variables = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            let mut variables = variables.split(|byte| *byte == 0);
            let launched = variables.any(|entry| entry.starts_with(b"OMPI_COMM_WORLD_RANK="));
            launched && fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe == own)
        };
        let mut ranks = ids.into_iter().filter(is_rank);
        Process::watch(ranks.next().expect("a rank"))
    }

    /// Waits until nothing runs on these hosts any more.
    fn nothing_is_left(&self, hosts: &[&str]) {
        for host in hosts {
            let left = settled(&Vec::new(), || self.hosts.processes(host));
            let names = left
                .iter()
                .map(|id| fs::read_to_string(format!("/proc/{id}/cmdline")));
            assert!(left.is_empty(), "{host}: {:?}", names.collect::<Vec<_>>());
        }
    }
}

fn all_fine(outcomes: &BTreeMap<u32, String>) {
    let fine: BTreeMap<u32, String> = (0..24).map(|item| (item, format!("is {item}"))).collect();
    assert_eq!(*outcomes, fine);
}

#[test]
fn all_hosts_have_a_share_and_nothing_is_left() {
    if let Some(tally) = role() {
        return play(&tally);
    }
    within(WHOLE, || {
        let test = "all_hosts_have_a_share_and_nothing_is_left";
        let Some(mut launch) = Launch::start(test, &[]) else {
            return;
        };
        let running = launch.running();
        for host in HOSTS {
            assert_eq!(
                running.iter().filter(|(_, at, _)| at == host).count(),
                2,
                "{running:?}"
            );
        }
        launch.let_go();
        all_fine(&launch.outcomes());
        assert!(launch.launcher.wait().expect("an end").success());
        launch.nothing_is_left(&HOSTS);
    });
}

#[test]
fn a_killed_worker_costs_its_item() {
    if let Some(tally) = role() {
        return play(&tally);
    }
    within(WHOLE, || {
        let Some(mut launch) = Launch::start("a_killed_worker_costs_its_item", &[]) else {
            return;
        };
        let running = launch.running();
        let mut lost = Vec::new();
        for host in ["h1", "h2"] {
            let (item, _, worker) = running
                .iter()
                .find(|(_, at, _)| at == host)
                .expect("an item");
            launch.hosts.process(host, *worker).kill();
            lost.push(*item);
        }
        launch.let_go();
        let mut outcomes = launch.outcomes();
        for item in lost {
            let outcome = outcomes
                .insert(item, format!("is {item}"))
                .expect("an outcome");
            assert!(outcome.contains("SIGKILL"), "{outcome}");
        }
        all_fine(&outcomes);
        assert!(launch.launcher.wait().expect("an end").success());
        launch.nothing_is_left(&HOSTS);
    });
}

#[test]
fn what_a_killed_rank_had_runs_elsewhere() {
    if let Some(tally) = role() {
        return play(&tally);
    }
    within(WHOLE, || {
        let test = "what_a_killed_rank_had_runs_elsewhere";
        let Some(mut launch) = Launch::start(test, &["--enable-recovery"]) else {
            return;
        };
        launch.running();
        launch.rank("h3").kill();
        // Its workers end with it, and only what the launcher has there stays.
        launch.let_go();
        all_fine(&launch.outcomes());
        launch.launcher.wait().expect("an end");
        launch.nothing_is_left(&HOSTS);
    });
}

#[test]
fn what_a_host_had_that_was_cut_off_runs_elsewhere() {
    if let Some(tally) = role() {
        return play(&tally);
    }
    within(WHOLE, || {
        let test = "what_a_host_had_that_was_cut_off_runs_elsewhere";
        let Some(mut launch) = Launch::start(test, &["--enable-recovery"]) else {
            return;
        };
        let running = launch.running();
        let (rank, watched) = (launch.rank("h3"), |host: &str, id| {
            launch.hosts.process(host, id)
        });
        let at_h3 = running.iter().filter(|(_, host, _)| host == "h3");
        let workers: Vec<Process> = at_h3.map(|(_, host, id)| watched(host, *id)).collect();
        launch.hosts.cut("h3");
        // They end without being told, since nobody can tell them.
        assert!(rank.ends_within(parproc_tests::LIMIT));
        for worker in workers {
            assert!(worker.ends_within(parproc_tests::LIMIT));
        }
        launch.let_go();
        all_fine(&launch.outcomes());
        // Open MPI waits for the host that it cannot reach; asked twice it ends.
        let mpirun = launch.mpirun();
        while mpirun.try_signal(Signal::TERM) && !mpirun.ends_within(Duration::from_secs(1)) {}
        launch.nothing_is_left(&["h1", "h2"]);
    });
}

#[test]
fn a_signal_to_the_launcher_ends_everything_everywhere() {
    if let Some(tally) = role() {
        return play(&tally);
    }
    within(2 * WHOLE, || {
        for signal in [Signal::INT, Signal::TERM] {
            let test = "a_signal_to_the_launcher_ends_everything_everywhere";
            let Some(mut launch) = Launch::start(test, &[]) else {
                return;
            };
            launch.running();
            launch.mpirun().signal(signal);
            assert!(!launch.launcher.wait().expect("an end").success());
            launch.nothing_is_left(&HOSTS);
        }
    });
}

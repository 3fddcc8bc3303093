//! A launch by Slurm: `srun` with PMIx and with PMI-2, a batch script, and an end by `scancel`.
//!
//! Slurm runs in namespaces of its own, as two nodes on this machine; where that cannot be, the tests say so and do
//! nothing.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use parproc::{Pool, parallel};
use parproc_tests::{Tally, note, program, role, within};

/// How long a test may take: Slurm starts, and each launch takes seconds on a busy machine.
const WHOLE: Duration = Duration::from_secs(120);

/// What Slurm and its script say when it cannot be started here.
const NOT_HERE: i32 = 77;

/// Gives the node that it runs on, when so many other calls run as well.
#[parallel]
fn node(tally: &str, together: usize) -> String {
    let node = std::env::var("SLURMD_NODENAME").expect("a node");
    note(tally, format!("{node} {}", std::process::id()));
    let workers = || {
        let tally = std::fs::read_to_string(tally).expect("the tally");
        tally.lines().collect::<BTreeSet<_>>().len()
    };
    while workers() < together {
        thread::sleep(Duration::from_millis(5));
    }
    node
}

/// What rank 0 does: its role is how many calls there are at a time, and the tally.
fn play(role: &str) {
    let (together, tally) = role.split_once(' ').expect("a number and a tally");
    let together: usize = together.parse().expect("a number");
    let items = (0..12).map(|_| (tally, together));
    let nodes = Pool::global().and_then(|pool| pool.map(node, items));
    let nodes: BTreeSet<String> = nodes.expect("nodes").into_iter().collect();
    println!("ran on {nodes:?}");
}

/// Runs the script with a Slurm of its own; gives what it wrote, or none where there is no Slurm.
fn with_slurm(test: &str, role: &str, script: &str) -> Option<String> {
    for tool in ["srun", "slurmctld", "slurmd", "munged", "ip", "unshare"] {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = std::env::split_paths(&paths).chain(["/usr/sbin".into()]);
        if !paths.any(|path| path.join(tool).exists()) {
            println!("skipped: {test}: {tool} is not installed");
            return None;
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = program(test, role);
    let mut slurm = Command::new("setpriv");
    slurm
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--net",
            "--uts",
            "--mount",
        ])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/slurm/slurm.sh"))
        .arg(folder.path())
        .args(["bash", "-c", script, "bash"])
        .arg(program.get_program())
        .args(program.get_args())
        .env("PARPROC_SLOTS", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => slurm.env(name, value),
            None => slurm.env_remove(name),
        };
    }
    let output = slurm.output().expect("Slurm");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    // Without the right to make namespaces nothing of the script has run.
    if output.status.code() == Some(NOT_HERE) || errors.contains("unshare failed") {
        println!("skipped: {test}: {}", errors.trim());
        return None;
    }
    let ended_well = output.status.success() && output.status.signal().is_none();
    assert!(ended_well, "{}: {said}\n{errors}", output.status);
    Some(said)
}

/// The nodes that the calls ran on, of each launch in what was written.
fn nodes(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| Some(line.split_once("ran on ")?.1))
        .collect()
}

#[test]
fn srun_with_pmix_or_pmi2_makes_one_pool_of_all_ranks() {
    if let Some(role) = role() {
        return play(&role);
    }
    within(WHOLE, || {
        let tally = Tally::new();
        let test = "srun_with_pmix_or_pmi2_makes_one_pool_of_all_ranks";
        // Three ranks with a worker each: they meet only if one pool has them all. The second launch has its own.
        let script = r#"
            srun --nodes 2 --ntasks 3 --mpi pmix "$@" &&
            : > "${PARPROC_TEST_PROGRAM#* }" &&
            srun --nodes 2 --ntasks 3 --mpi pmi2 "$@"
        "#;
        if let Some(said) = with_slurm(test, &format!("3 {}", tally.path()), script) {
            assert_eq!(
                nodes(&said),
                [r#"{"n1", "n2"}"#, r#"{"n1", "n2"}"#],
                "{said}"
            );
        }
    });
}

#[test]
fn a_batch_script_by_itself_changes_nothing() {
    if let Some(role) = role() {
        return play(&role);
    }
    within(WHOLE, || {
        let tally = Tally::new();
        let test = "a_batch_script_by_itself_changes_nothing";
        // In the script of a job, and without any PMI: there each task is a program of its own.
        let script = r#"
            sbatch --quiet --wait --nodes 2 --ntasks 4 --output out --wrap "$(printf '%q ' "$@")" && cat out &&
            srun --nodes 2 --ntasks 2 --mpi none "$@"
        "#;
        if let Some(said) = with_slurm(test, &format!("1 {}", tally.path()), script) {
            let mut nodes = nodes(&said);
            nodes.sort_unstable();
            assert_eq!(nodes, [r#"{"n1"}"#, r#"{"n1"}"#, r#"{"n2"}"#], "{said}");
        }
    });
}

#[test]
fn scancel_ends_ranks_and_workers() {
    if let Some(role) = role() {
        return play(&role);
    }
    within(WHOLE, || {
        let tally = Tally::new();
        let test = "scancel_ends_ranks_and_workers";
        // The calls wait for a fourth one, for ever. What is left is the program, in whatever process.
        let script = r#"
            tally=${PARPROC_TEST_PROGRAM#* }
            for mpi in pmix pmi2; do
                : > "$tally"
                srun --job-name long --nodes 2 --ntasks 3 --mpi $mpi "$@" &
                until [ "$(sort -u "$tally" | wc -l)" = 3 ]; do sleep 0.05; done
                scancel --name long
                wait $!
                echo "srun ended with $?"
                for _ in $(seq 200); do
                    left=$(for one in /proc/[0-9]*; do
                        [ "$(readlink $one/exe)" = "$1" ] && echo $one
                    done)
                    [ -z "$left" ] && break
                    sleep 0.1
                done
                echo "left: $left"
            done
        "#;
        let Some(said) = with_slurm(test, &format!("4 {}", tally.path()), script) else {
            return;
        };
        let left = said.lines().filter(|line| line.starts_with("left:"));
        assert_eq!(left.collect::<Vec<_>>(), ["left: ", "left: "], "{said}");
        assert!(!said.contains("srun ended with 0"), "{said}");
    });
}

//! The environment: variables that set a pool up, and a system that has no more to give.

use std::env;
use std::fs;
use std::process::{self, Command};
use std::thread::available_parallelism;

use parproc::{Pool, par_map, parallel};
use parproc_tests::{
    Meeting, children, in_time, is_of_launcher, meet, pool, program, role, succeeds,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[parallel]
fn pid(x: u64) -> (u32, u64) {
    (process::id(), x)
}

#[parallel]
fn odd_panics(x: u32) -> u32 {
    assert!(x.is_multiple_of(2), "{x} is odd");
    x
}

/// What a worker finds: names of our variables, its arguments, what its standard input holds.
#[parallel]
fn surroundings() -> (Vec<String>, Vec<String>, String) {
    let names = env::vars().map(|(name, _)| name);
    let ours = names.filter(|name| name.starts_with("PARPROC_"));
    let ours = ours.filter(|name| !is_of_launcher(name)).collect();
    let input = fs::read_link("/proc/self/fd/0").unwrap();
    (ours, env::args().collect(), input.display().to_string())
}

const NUMBER: &str = "PARPROC_WORKERS";
const INLINE: &str = "PARPROC_INLINE";

/// Says how many workers a pool gets for which the program sets no number.
#[test]
fn program_that_says_its_workers() {
    if role().is_none() {
        return;
    }
    match Pool::builder().build() {
        Ok(pool) => {
            assert_eq!(Pool::global().unwrap().workers(), pool.workers());
            println!("workers: {}", pool.workers());
        }
        Err(error) => {
            assert!(error.is_invalid());
            let again = Pool::global().unwrap_err();
            assert_eq!(again.to_string(), error.to_string());
            println!("workers: {error}");
        }
    }
    assert_eq!(pool(5).workers(), 5, "what the program says comes first");
}

fn workers(value: Option<&str>) -> String {
    let mut command = program("program_that_says_its_workers", "say");
    if let Some(value) = value {
        command.env(NUMBER, value);
    }
    let said = succeeds(&mut command);
    let line = said.lines().find_map(|line| line.split_once("workers: "));
    line.unwrap_or_else(|| panic!("{said}")).1.to_owned()
}

#[test]
fn the_number_of_workers_is_that_of_the_cpus() {
    let cpus = available_parallelism().unwrap().to_string();
    assert_eq!(workers(None), cpus);
}

#[test]
fn the_number_of_workers_can_be_set_from_outside() {
    assert_eq!(workers(Some("3")), "3");
    assert_eq!(workers(Some(" 17 ")), "17");
}

#[test]
fn numbers_that_are_too_small_or_too_large_are_moved_to_the_nearer_end() {
    assert_eq!(workers(Some("0")), "1");
    assert_eq!(workers(Some("1000000")), "4096");
}

#[test]
fn what_is_no_number_of_workers_is_an_error_that_names_the_variable() {
    for value in ["many", "-1", "2.5"] {
        let error = workers(Some(value));
        assert!(error.contains(NUMBER) && error.contains(value), "{error}");
    }
}

#[test]
fn program_that_works() {
    let Some(role) = role() else { return };
    let results = par_map(pid, 0..100).unwrap();
    assert!(results.iter().map(|(_, x)| *x).eq(0..100));
    let explicit = pool(2);
    let task = explicit.spawn(pid, 7).unwrap();
    let all = results.into_iter().chain([task.join().unwrap()]);
    let inline = all.map(|(pid, _)| pid == process::id());
    let outcomes = explicit.outcomes(odd_panics, 0..4).unwrap();
    let errors: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .collect();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].panic_message(), Some("1 is odd"));
    if role == "inline" {
        assert!(inline.into_iter().all(|inline| inline));
        assert!(explicit.is_inline() && Pool::global().unwrap().is_inline());
        assert_eq!(children(), []);
    } else {
        assert!(!inline.into_iter().any(|inline| inline));
        assert!(!explicit.is_inline());
    }
}

#[test]
fn everything_runs_in_this_process_if_asked_for() {
    succeeds(program("program_that_works", "inline").env(INLINE, "1"));
    succeeds(
        program("program_that_works", "inline")
            .env(INLINE, "1")
            .env(NUMBER, "2"),
    );
    succeeds(program("program_that_works", "workers").env(INLINE, "0"));
    succeeds(&mut program("program_that_works", "workers"));
}

#[test]
fn a_worker_s_environment_is_that_of_the_program() {
    in_time(|| {
        let (names, arguments, input) = pool(1).map(surroundings, [()]).unwrap().remove(0);
        assert!(
            !names.iter().any(|name| name.starts_with("PARPROC_ATTACH")),
            "{names:?}"
        );
        assert_eq!(names, surroundings().0);
        assert_eq!(arguments, env::args().collect::<Vec<_>>());
        assert_eq!(input, "/dev/null");
    });
}

#[test]
fn backtraces_can_be_turned_off() {
    if role().is_none() {
        let test = "backtraces_can_be_turned_off";
        succeeds(program(test, "off").env("RUST_BACKTRACE", "0"));
        return;
    }
    let error = pool(1).map(odd_panics, [1]).unwrap_err();
    let task = error.task().unwrap();
    assert_eq!(
        (task.backtrace(), task.panic_message()),
        (None, Some("1 is odd"))
    );
}

#[test]
fn a_folder_for_temporary_files_that_is_missing_does_not_matter() {
    let test = "a_folder_for_temporary_files_that_is_missing_does_not_matter";
    if role().is_none() {
        succeeds(program(test, "start").env("TMPDIR", "/no/such/folder"));
        return;
    }
    in_time(|| {
        let pids = pool(2).map(pid, 0..10).unwrap();
        assert!(pids.iter().all(|(pid, _)| *pid != std::process::id()));
    });
}

#[test]
fn descriptors_that_run_out_are_an_error_and_not_the_end() {
    if role().is_none() {
        let test = "descriptors_that_run_out_are_an_error_and_not_the_end";
        succeeds(&mut program(test, "limit"));
        return;
    }
    in_time(|| {
        let usual = getrlimit(Resource::Nofile);
        let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
        for more in 0..16 {
            let pool = pool(2);
            let current = Some(open + more);
            setrlimit(Resource::Nofile, Rlimit { current, ..usual }).unwrap();
            let result = pool.map(pid, 0..10);
            setrlimit(Resource::Nofile, usual).unwrap();
            match result {
                Ok(results) => assert_eq!(results.len(), 10),
                Err(error) => assert!(!error.is_task(), "{more} more: {error}"),
            }
            // An attempt to start a worker that began before the limit was lifted may fail this call.
            let results = pool.map(pid, 0..10).or_else(|_| pool.map(pid, 0..10));
            assert_eq!(results.unwrap().len(), 10, "{more} more");
        }
    });
}

/// The descriptors that a new program finds, except for its own.
fn inherited() -> String {
    let list = Command::new("ls").arg("/proc/self/fd").output().unwrap();
    String::from_utf8(list.stdout).unwrap()
}

#[parallel]
fn inherited_from_worker(meeting: &str) -> (String, usize) {
    meet(meeting, 0);
    let own = fs::read_dir("/proc/self/fd").unwrap().count();
    (inherited(), own)
}

#[test]
fn a_program_that_a_task_starts_inherits_nothing_of_ours() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let task = pool.spawn(inherited_from_worker, meeting.name()).unwrap();
        drop(meeting.wait());
        // The standard ones, and the one that `ls` reads: what this process inherited stays here.
        assert_eq!(task.join().unwrap().0, "0\n1\n2\n3\n");
    });
}

#[test]
fn descriptors_of_a_worker_do_not_grow_with_its_siblings() {
    in_time(|| {
        let pool = pool(8);
        let meeting = Meeting::new();
        let spawn = |_| pool.spawn(inherited_from_worker, meeting.name()).unwrap();
        let tasks: Vec<_> = (0..8).map(spawn).collect();
        let guests: Vec<_> = tasks.iter().map(|_| meeting.wait()).collect();
        drop(guests);
        let counts: Vec<_> = tasks
            .into_iter()
            .map(|task| task.join().unwrap().1)
            .collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    });
}

//! What worker processes are started with: limits of resources, priority, CPU, user, group, environment
//! and working directory.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use parproc::{Error, Pool, PoolBuilder, Resource, TaskError, parallel};
use parproc_tests::{Meeting, in_time, is_of_launcher, meet, program, role, succeeds};
use rustix::process::{
    Signal, getpriority_process, getrlimit, getuid, parent_process_death_signal,
};

fn builder() -> PoolBuilder {
    Pool::builder().workers(1)
}

#[parallel]
fn runs_for_ever(x: u64) -> u64 {
    if x == 1 {
        let mut sum = x;
        loop {
            sum = black_box(sum.wrapping_mul(3));
        }
    }
    x
}

fn failures<T>(outcomes: &[Result<T, TaskError>]) -> Vec<&TaskError> {
    let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    errors.collect()
}

#[test]
fn a_task_that_uses_up_the_processor_time_dies_by_sigxcpu() {
    in_time(|| {
        let pool = builder().rlimit(Resource::CpuTime, 1).build().unwrap();
        let outcomes = pool.outcomes(runs_for_ever, 0..3).unwrap();
        let errors = failures(&outcomes);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].index(), 1);
        assert_eq!(errors[0].signal(), Some(Signal::XCPU.as_raw()));
        let text = errors[0].to_string();
        assert!(text.contains("SIGXCPU, the limit of CPU time"), "{text}");
        // The limit is that of the workers, not ours.
        assert_eq!(getrlimit(rustix::process::Resource::Cpu).current, None);
    });
}

#[parallel]
fn writes(path: &Path, bytes: usize) -> usize {
    let mut file = File::create(path).unwrap();
    file.write_all(&vec![1; bytes]).unwrap();
    fs::metadata(path).unwrap().len() as usize
}

#[test]
fn a_task_that_writes_too_large_a_file_dies_by_sigxfsz() {
    in_time(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let pool = builder().rlimit(Resource::FileSize, 10_000).build();
        let items = [(path.as_path(), 10_000), (&path, 10_001), (&path, 9_999)];
        let outcomes = pool.unwrap().outcomes(writes, items).unwrap();
        let errors = failures(&outcomes);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].index(), 1);
        assert_eq!(errors[0].signal(), Some(Signal::XFSZ.as_raw()));
    });
}

/// How many files could be opened, and the number of the error that then came.
#[parallel]
fn opens_files(most: usize) -> (usize, Option<i32>) {
    let mut files = Vec::new();
    while files.len() < most {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => return (files.len(), error.raw_os_error()),
        }
    }
    (files.len(), None)
}

#[test]
fn a_task_cannot_have_more_open_files_than_allowed() {
    in_time(|| {
        let pool = builder().rlimit(Resource::OpenFiles, 30).build().unwrap();
        let (count, error) = pool.map(opens_files, [100]).unwrap().remove(0);
        assert!((10..30).contains(&count), "{count}");
        assert_eq!(error, Some(libc::EMFILE));
        assert_eq!(pool.map(opens_files, [10]).unwrap(), [(10, None)]);
    });
}

#[parallel]
fn core_limit() -> Option<u64> {
    getrlimit(rustix::process::Resource::Core).current
}

#[test]
fn the_last_limit_of_a_resource_holds() {
    in_time(|| {
        let builder = builder().rlimit(Resource::CoreSize, 1 << 20);
        let pool = builder.rlimit(Resource::CoreSize, 0).build().unwrap();
        assert_eq!(pool.map(core_limit, [()]).unwrap(), [Some(0)]);
    });
}

#[parallel]
fn nice() -> i32 {
    getpriority_process(None).unwrap()
}

#[test]
fn workers_are_as_nice_as_told() {
    in_time(|| {
        let own = nice();
        let higher = (own + 7).min(19);
        let pool = builder().nice(higher).build().unwrap();
        assert_eq!(pool.map(nice, [()]).unwrap(), [higher]);
        assert_eq!(nice(), own);
    });
}

/// What `/proc/self/status` says about `name`.
fn status(name: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().unwrap().trim().to_owned()
}

#[parallel]
fn allowed_cpus(meeting: &str) -> String {
    meet(meeting, 0);
    status("Cpus_allowed_list")
}

/// The numbers in a list such as `0-2,5`.
fn numbers(list: &str) -> Vec<usize> {
    let number = |text: &str| text.parse::<usize>().unwrap();
    let ranges = list
        .split(',')
        .map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges
        .flat_map(|(first, last)| number(first)..=number(last))
        .collect()
}

#[test]
fn each_worker_stays_on_a_cpu_of_its_own() {
    in_time(|| {
        let own = numbers(&status("Cpus_allowed_list"));
        let workers = own.len() + 1;
        let pool = Pool::builder()
            .workers(workers)
            .pin_cpus(true)
            .build()
            .unwrap();
        let meeting = Meeting::new();
        let task = |_| pool.spawn(allowed_cpus, meeting.name()).unwrap();
        let tasks: Vec<_> = (0..workers).map(task).collect();
        drop(tasks.iter().map(|_| meeting.wait()).collect::<Vec<_>>());
        let mut used: Vec<_> = tasks
            .into_iter()
            .map(|task| numbers(&task.join().unwrap()))
            .collect();
        used.sort();
        let mut expected: Vec<_> = own.iter().map(|cpu| vec![*cpu]).collect();
        expected.push(vec![own[0]]);
        expected.sort();
        assert_eq!(used, expected);
        assert_eq!(numbers(&status("Cpus_allowed_list")), own);
    });
}

/// Users, groups and further groups of the worker, and the signal that it gets when its parent ends.
#[parallel]
fn identity() -> (String, String, String, Option<i32>) {
    let signal = parent_process_death_signal().unwrap();
    let signal = signal.map(Signal::as_raw);
    (status("Uid"), status("Gid"), status("Groups"), signal)
}

#[test]
fn workers_run_as_another_user_if_the_program_may_do_that() {
    if !getuid().is_root() {
        println!("skipped: only root may change its user");
        return;
    }
    in_time(|| {
        let all = |id: u32| format!("{id}\t{id}\t{id}\t{id}");
        let pool = builder().uid(65_534).gid(65_533).build().unwrap();
        let (uids, gids, groups, signal) = pool.map(identity, [()]).unwrap().remove(0);
        assert_eq!((uids, gids), (all(65_534), all(65_533)));
        assert_eq!(groups, "65533");
        assert_eq!(signal, Some(libc::SIGKILL), "it still ends with its parent");
        let pool = builder().gid(65_533).build().unwrap();
        let (uids, gids, ..) = pool.map(identity, [()]).unwrap().remove(0);
        assert_eq!((uids, gids), (all(0), all(65_533)));
    });
}

#[parallel]
fn variables() -> BTreeSet<(String, String)> {
    let variables = env::vars();
    variables
        .filter(|(name, _)| !is_of_launcher(name))
        .collect()
}

#[test]
fn the_environment_of_workers_is_changed_in_the_order_of_the_calls() {
    const TEST: &str = "the_environment_of_workers_is_changed_in_the_order_of_the_calls";
    if role().is_none() {
        succeeds(program(TEST, "changes").env("LEFT", "1").env("GONE", "1"));
        return;
    }
    in_time(|| {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let own = variables();
        let pool = builder()
            .env("NEW", "first")
            .env("NEW", "second")
            .env_remove("GONE")
            .env("EMPTY", "")
            .build()
            .unwrap();
        let mut expected = own.clone();
        expected.remove(&pair("GONE", "1"));
        expected.extend([pair("NEW", "second"), pair("EMPTY", "")]);
        assert_eq!(pool.map(variables, [()]).unwrap(), [expected]);

        let pool = builder()
            .env("BEFORE", "1")
            .env_clear()
            .env("AFTER", "2")
            .env("LATER", "3")
            .env_remove("LATER")
            .build()
            .unwrap();
        let only = BTreeSet::from([pair("AFTER", "2")]);
        assert_eq!(pool.map(variables, [()]).unwrap(), [only]);
        assert_eq!(variables(), own);
    });
}

#[parallel]
fn folder() -> String {
    env::current_dir().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn workers_start_in_the_folder_that_was_set() {
    in_time(|| {
        let own = folder();
        let other = tempfile::tempdir().unwrap();
        let path = other.path().canonicalize().unwrap();
        let pool = builder().current_dir(&path).build().unwrap();
        assert_eq!(pool.map(folder, [()]).unwrap(), [path.to_str().unwrap()]);
        let pool = builder().current_dir("..").build().unwrap();
        let parent = Path::new(&own).parent().unwrap().to_str().unwrap();
        assert_eq!(pool.map(folder, [()]).unwrap(), [parent]);
        assert_eq!(folder(), own);

        let gone = path.join("gone");
        let pool = builder().current_dir(&gone).build().unwrap();
        let error = pool.map(folder, [()]).unwrap_err();
        assert!(error.is_start(), "{error}");
        assert!(
            error.to_string().contains(gone.to_str().unwrap()),
            "{error}"
        );
        // It can come later.
        fs::create_dir(&gone).unwrap();
        assert_eq!(pool.map(folder, [()]).unwrap(), [gone.to_str().unwrap()]);
    });
}

#[test]
fn what_the_system_refuses_is_the_reason_that_no_worker_starts() {
    in_time(|| {
        // More than the kernel lets anybody have.
        let limit = 1 << 40;
        let pool = builder().rlimit(Resource::OpenFiles, limit).build();
        let error = pool.unwrap().map(folder, [()]).unwrap_err();
        assert!(error.is_start(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("could not set its limit of open files"),
            "{text}"
        );
        assert!(text.contains(&limit.to_string()), "{text}");
        if !getuid().is_root() {
            let error = builder()
                .uid(0)
                .build()
                .unwrap()
                .map(folder, [()])
                .unwrap_err();
            assert!(error.is_start(), "{error}");
            assert!(error.to_string().contains("group and user"), "{error}");
        }
    });
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let wrong = [
        builder().nice(20),
        builder().nice(-21),
        builder().rlimit(Resource::CpuTime, 0),
        builder().uid(u32::MAX),
        builder().gid(u32::MAX),
        builder().env("", "x"),
        builder().env("A=B", "x"),
        builder().env("A\0", "x"),
        builder().env("A", "x\0"),
        builder().env_remove("="),
        builder().current_dir(""),
        builder().current_dir("/tmp\0"),
    ];
    for builder in wrong {
        let said = format!("{builder:?}");
        let refused = builder
            .build()
            .err()
            .as_ref()
            .is_some_and(Error::is_invalid);
        assert!(refused, "{said}");
    }
    // What was cleared does not matter any more.
    builder().env("=", "x").env_clear().build().unwrap();
}

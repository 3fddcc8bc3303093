//! A system that has no more to give: descriptors, memory, a place for temporary files.
//!
//! Each test is a program of its own, since limits belong to the whole process.

use std::fs;
use std::io;
use std::process::{self, Command};

use parproc::{Error, Pool, Process, Task, par_map, parallel};
use parproc_tests::{
    Footprint, LIMIT, Meeting, guardians, in_time, meet, pool, program, role, settled, succeeds,
    within,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const MIB: u64 = 1 << 20;

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn comes(meeting: &str) {
    meet(meeting, 0);
}

#[parallel]
fn len(bytes: &[u8]) -> usize {
    bytes.len()
}

#[parallel]
fn letters(text: &str) -> usize {
    text.chars().count()
}

#[parallel]
fn all_letters(texts: &[String]) -> usize {
    texts.iter().map(|text| letters(text)).sum()
}

#[parallel]
fn aborts() {
    process::abort();
}

/// Runs the rest of a test in a program of its own.
fn alone(test: &str, body: impl FnOnce() + Send + 'static) {
    if role().is_none() {
        succeeds(&mut program(test, "alone"));
    } else {
        // Some fill all the memory that they may have, which takes its time on a busy machine.
        within(4 * LIMIT, body);
    }
}

/// Sets a limit, and gives what it was.
fn limit(resource: Resource, current: u64) -> Rlimit {
    let usual = getrlimit(resource);
    let current = Some(current);
    setrlimit(resource, Rlimit { current, ..usual }).unwrap();
    usual
}

fn open_descriptors() -> u64 {
    // Reading the folder is itself one.
    fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1
}

/// How much address space this process has, in bytes.
fn address_space() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

#[test]
fn five_hundred_tasks_wait_with_256_descriptors() {
    alone("five_hundred_tasks_wait_with_256_descriptors", || {
        limit(Resource::Nofile, 256);
        let pool = pool(2);
        let meeting = Meeting::new();
        let busy: Vec<_> = (0..2)
            .map(|_| pool.spawn(comes, meeting.name()).unwrap())
            .collect();
        let guests = [meeting.wait(), meeting.wait()];
        // It comes a while after the workers, and has descriptors; that of its memory goes last.
        assert_eq!(settled(&1, || guardians().len()), 1);
        let memories = || Footprint::now().descriptors_of("memfd:");
        assert_eq!(settled(&2, memories), 2);
        let before = open_descriptors();
        let small: Vec<_> = (0..500).map(|x| pool.spawn(square, x).unwrap()).collect();
        let large: Vec<_> = (0..500)
            .map(|_| pool.spawn(len, &[1_u8; 100_000][..]).unwrap())
            .collect();
        assert_eq!(open_descriptors(), before, "a task that waits needs none");
        drop(guests);
        for task in large.into_iter().rev() {
            assert_eq!(task.join().unwrap(), 100_000);
        }
        for (x, task) in small.into_iter().enumerate().rev() {
            assert_eq!(task.join().unwrap(), (x * x) as u64);
        }
        for task in busy {
            task.join().unwrap();
        }
    });
}

/// All descriptors that this process may have, until it is dropped.
struct Hoard {
    files: Vec<fs::File>,
    usual: Rlimit,
}

impl Hoard {
    fn new() -> Self {
        let numbers = fs::read_dir("/proc/self/fd").unwrap();
        let numbers =
            numbers.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u64>());
        // What is open stays within the limit, whatever its number is.
        let most = numbers.map(Result::unwrap).max().unwrap();
        let usual = limit(Resource::Nofile, most + 32);
        let mut hoard = Self {
            files: Vec::new(),
            usual,
        };
        hoard.fill();
        hoard
    }

    fn fill(&mut self) {
        self.files
            .extend(std::iter::from_fn(|| fs::File::open("/dev/null").ok()));
    }

    fn give_back(&mut self, descriptors: usize) {
        self.files.truncate(self.files.len() - descriptors);
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.usual).unwrap();
    }
}

/// Once more if it fails: an attempt to start a worker that began when there was nothing left may
/// fail the first one.
fn again<T>(call: impl Fn() -> Result<T, Error>) -> T {
    call().or_else(|_| call()).unwrap()
}

#[test]
fn no_descriptor_is_left_when_a_task_is_submitted() {
    alone("no_descriptor_is_left_when_a_task_is_submitted", || {
        let pool = pool(1);
        let hoard = Hoard::new();
        let error = pool.spawn(square, 3).unwrap().join().unwrap_err();
        assert!(error.is_start(), "{error}");
        drop(hoard);
        assert_eq!(again(|| pool.spawn(square, 3)?.join()), 9);
    });
}

#[test]
fn no_descriptor_is_left_when_a_worker_is_to_be_replaced() {
    alone(
        "no_descriptor_is_left_when_a_worker_is_to_be_replaced",
        || {
            let pool = pool(1);
            assert_eq!(pool.map(square, [2]).unwrap(), [4]);
            let mut hoard = Hoard::new();
            let error = pool.spawn(aborts, ()).unwrap().join().unwrap_err();
            assert!(error.task().unwrap().is_crash(), "{error}");
            // What the dead worker took is not enough for a new one.
            hoard.fill();
            let error = pool.map(square, 0..3).unwrap_err();
            assert!(error.is_start(), "{error}");
            drop(hoard);
            assert_eq!(again(|| pool.map(square, 0..3)), [0, 1, 4]);
        },
    );
}

#[test]
fn no_descriptor_is_left_for_a_process() {
    alone("no_descriptor_is_left_for_a_process", || {
        // The first process makes what all of them share.
        for first in [true, false] {
            let open = open_descriptors();
            let mut hoard = Hoard::new();
            let mut free = 0;
            loop {
                match Process::spawn(square, 3) {
                    Ok(process) => {
                        assert_eq!(process.join().unwrap(), 9);
                        break;
                    }
                    Err(error) => {
                        assert!(!error.is_task(), "{free} free: {error}");
                        assert!(first || error.is_start(), "{free} free: {error}");
                    }
                }
                free += 1;
                assert!(free < 20, "so many are free");
                if first {
                    // What there is of the shared things by now stays.
                    hoard.fill();
                    hoard.give_back(free);
                } else {
                    hoard.give_back(1);
                }
            }
            assert!(free > 0, "a process needs descriptors");
            drop(hoard);
            if !first {
                // Of what was there before, something may be gone by now.
                let none_left = || open_descriptors() <= open;
                assert!(parproc_tests::settled(&true, none_left), "left of failures");
            }
        }
    });
}

#[test]
fn no_memory_is_left_for_a_process() {
    alone("no_memory_is_left_for_a_process", || {
        assert_eq!(Process::spawn(square, 2).unwrap().join().unwrap(), 4);
        let usual = limit(Resource::As, address_space() + MIB);
        let error = Process::spawn(square, 3).unwrap_err();
        setrlimit(Resource::As, usual).unwrap();
        assert!(error.is_start(), "{error}");
        assert_eq!(Process::spawn(square, 3).unwrap().join().unwrap(), 9);
    });
}

/// Submits tasks while there is memory, `room` bytes more than now; then has each of them joined.
fn submit_until_full<R>(
    room: u64,
    submit: impl Fn(&Pool) -> Result<Task<R>, Error>,
    join: impl Fn(Task<R>),
) -> Error {
    const MOST: usize = 4_000_000;
    let pool = pool(1);
    let meeting = Meeting::new();
    let busy = pool.spawn(comes, meeting.name()).unwrap();
    let guest = meeting.wait();
    let mut tasks = Vec::with_capacity(MOST);
    let usual = limit(Resource::As, address_space() + room);
    let error = loop {
        match submit(&pool) {
            Ok(task) => tasks.push(task),
            Err(error) => break error,
        }
        assert!(tasks.len() < MOST, "there is no end of memory");
    };
    setrlimit(Resource::As, usual).unwrap();
    println!("{} tasks, then: {error}", tasks.len());
    // What was taken is done, and the pool goes on.
    drop(guest);
    busy.join().unwrap();
    tasks.into_iter().for_each(&join);
    join(submit(&pool).unwrap());
    error
}

#[test]
fn memory_runs_out_while_values_are_encoded() {
    alone("memory_runs_out_while_values_are_encoded", || {
        let text = "x".repeat(3 << 20);
        let submit = |pool: &Pool| pool.spawn(letters, text.as_str());
        let join = |task: Task<usize>| assert_eq!(task.join().unwrap(), text.len());
        let error = submit_until_full(64 * MIB, submit, join);
        assert!(error.task().unwrap().is_encode(), "{error}");
        assert!(error.to_string().contains("no memory"), "{error}");
    });
}

#[test]
fn memory_runs_out_while_blocks_are_copied() {
    alone("memory_runs_out_while_blocks_are_copied", || {
        let block = vec![1_u8; 3 << 20];
        let submit = |pool: &Pool| pool.spawn(len, &block[..]);
        let join = |task: Task<usize>| assert_eq!(task.join().unwrap(), block.len());
        let error = submit_until_full(64 * MIB, submit, join);
        assert!(error.task().unwrap().is_encode(), "{error}");
        assert!(error.to_string().contains("no memory"), "{error}");
    });
}

#[test]
fn memory_runs_out_for_many_small_tasks() {
    alone("memory_runs_out_for_many_small_tasks", || {
        // Smaller ones find room for millions in what the allocator has reserved.
        let text = "x".repeat(200);
        let submit = |pool: &Pool| pool.spawn(letters, text.as_str());
        let join = |task: Task<usize>| assert_eq!(task.join().unwrap(), 200);
        for room in [4, 10] {
            let error = submit_until_full(room * MIB, submit, join);
            assert!(!error.is_closed() && !error.is_start(), "{error}");
        }
    });
}

#[test]
fn memory_runs_out_in_the_middle_of_a_map() {
    alone("memory_runs_out_in_the_middle_of_a_map", || {
        let pool = pool(2);
        assert_eq!(pool.map(square, 0..10).unwrap().len(), 10);
        let (small, huge) = ("x".to_owned(), "x".repeat(64 << 20));
        // Text alone is sent from where it is.
        let texts = [vec![small.clone()], vec![huge], vec![small]];
        let usual = limit(Resource::As, address_space() + 48 * MIB);
        let outcomes = pool.outcomes(all_letters, texts.each_ref().map(Vec::as_slice));
        setrlimit(Resource::As, usual).unwrap();
        let outcomes = outcomes.unwrap();
        assert_eq!(*outcomes[0].as_ref().unwrap(), 1);
        let error = outcomes[1].as_ref().unwrap_err();
        assert!(error.is_encode() && error.index() == 1, "{error}");
        assert_eq!(*outcomes[2].as_ref().unwrap(), 1);
    });
}

/// What is to work where nothing can be written.
fn works() {
    assert_eq!(par_map(square, 0..10).unwrap()[9], 81);
    assert_eq!(Process::spawn(square, 5).unwrap().join().unwrap(), 25);
    let error = Process::spawn(aborts, ()).unwrap().join().unwrap_err();
    assert!(error.task().unwrap().is_crash(), "{error}");
    let block = vec![1; 3 << 20];
    assert_eq!(par_map(len, [&block[..]]).unwrap(), [3 << 20]);
}

/// The program, in a place of its own where `/tmp` cannot be written to; none if that takes more than
/// this user may do.
fn without_tmp(program: &Command) -> Option<Command> {
    let script = "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp && exec \"$@\"";
    let unshare = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.args(words);
        command
    };
    let allowed = unshare(&["true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut command = unshare(&[]);
    command.arg(program.get_program()).args(program.get_args());
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    Some(command)
}

#[test]
fn temporary_files_cannot_be_written() {
    let test = "temporary_files_cannot_be_written";
    let Some(role) = role() else {
        let mut nowhere = program(test, "nowhere");
        // Nobody can make a file there.
        succeeds(nowhere.env("TMPDIR", "/proc"));
        match without_tmp(&program(test, "read-only")) {
            Some(mut command) => drop(succeeds(&mut command)),
            None => println!("a read-only /tmp is not tested: this user may not mount"),
        }
        return;
    };
    let file = fs::write(std::env::temp_dir().join("parproc-test"), "");
    let kind = file.unwrap_err().kind();
    if role == "read-only" {
        assert_eq!(kind, io::ErrorKind::ReadOnlyFilesystem);
    }
    in_time(works);
}

//! A process that limits itself is limited.

use std::fs::{self, File};
use std::io::{self, Write};

use rustix::process::{
    Resource as Kind, Rlimit, Signal, geteuid, getgid, getpriority_process, getrlimit, getuid,
    parent_process_death_signal, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{sched_getaffinity, sched_getcpu};

use super::role::{Actor, role, say};
use crate::sys::Exit;
use crate::sys::limits::{Resource, pin_to_cpu, set_group_and_user, set_limit, set_nice};

/// The user and the group that nobody else has.
const NOBODY: u32 = 65534;

#[test]
fn plays() {
    let Some(role) = role() else { return };
    match &*role {
        "cpu" => {
            set_limit(Resource::CpuTime, 1).unwrap();
            let limit = getrlimit(Kind::Cpu);
            assert_eq!((limit.current, limit.maximum), (Some(1), Some(2)));
            loop {
                std::hint::spin_loop();
            }
        }
        "files" => {
            set_limit(Resource::OpenFiles, 20).unwrap();
            let files: Vec<_> = (0..30)
                .map_while(|_| File::open("/dev/null").ok())
                .collect();
            let more = File::open("/dev/null").unwrap_err();
            assert_eq!(more.raw_os_error(), Some(libc::EMFILE));
            assert!(files.len() < 20);
            // It can be raised to what was allowed before.
            set_limit(Resource::OpenFiles, 25).unwrap();
            File::open("/dev/null").unwrap();
        }
        "file" => {
            set_limit(Resource::FileSize, 1000).unwrap();
            let mut file = tempfile();
            file.write_all(&[1; 1000]).unwrap();
            say("so far");
            let _ = file.write_all(&[1]);
        }
        "core" => {
            set_limit(Resource::CoreSize, 0).unwrap();
            assert_eq!(getrlimit(Kind::Core).current, Some(0));
        }
        "above" => {
            let allowed = getrlimit(Kind::Nofile).maximum.unwrap_or(100).min(100);
            let limit = Some(allowed);
            let (current, maximum) = (limit, limit);
            setrlimit(Kind::Nofile, Rlimit { current, maximum }).unwrap();
            drop_rights();
            let error = set_limit(Resource::OpenFiles, allowed + 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            let text = error.to_string();
            assert!(text.contains(&allowed.to_string()), "{text}");
        }
        "nice" => {
            set_nice(19).unwrap();
            assert_eq!(getpriority_process(None), Ok(19));
        }
        "pin" => pin(),
        "user" => user(),
        other => panic!("no role: {other}"),
    }
    say("done");
}

/// A file that is gone when it is closed.
fn tempfile() -> File {
    let path = std::env::temp_dir().join(format!("parproc-test-limits-{}", std::process::id()));
    let file = File::create(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

fn drop_rights() {
    if geteuid().is_root() {
        set_group_and_user(Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn pin() {
    let allowed = sched_getaffinity(None).unwrap();
    let cpus: Vec<_> = (0..1024).filter(|cpu| allowed.is_set(*cpu)).collect();
    for index in 0..2 * cpus.len() {
        let cpu = cpus[index % cpus.len()];
        // Of what the process is allowed, so each in a thread of its own.
        let on = std::thread::spawn(move || {
            pin_to_cpu(index).unwrap();
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            sched_getcpu()
        });
        assert_eq!(on.join().unwrap(), cpu);
    }
}

fn user() {
    set_parent_process_death_signal(Some(Signal::USR1)).unwrap();
    // What it has already may be asked for by anybody.
    let (own_gid, own_uid) = (getgid().as_raw(), getuid().as_raw());
    set_group_and_user(None, None).unwrap();
    set_group_and_user(Some(own_gid), Some(own_uid)).unwrap();
    if geteuid().is_root() {
        set_group_and_user(Some(NOBODY), Some(NOBODY)).unwrap();
        assert_eq!(getuid().as_raw(), NOBODY);
        assert_eq!(getgid().as_raw(), NOBODY);
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let groups = status.lines().find(|line| line.starts_with("Groups:"));
        assert_eq!(groups.unwrap().trim(), format!("Groups:\t{NOBODY}"));
    }
    assert_eq!(parent_process_death_signal(), Ok(Some(Signal::USR1)));
    let error = set_group_and_user(None, Some(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

fn plays_to_the_end(role: &str) {
    let mut actor = Actor::start("limits::plays", role);
    assert_eq!(actor.hear().as_deref(), Some("done"));
}

#[test]
fn cpu_time_ends_with_its_own_signal() {
    let mut actor = Actor::start("limits::plays", "cpu");
    assert_eq!(actor.end().0, Exit::Signal(libc::SIGXCPU));
}

#[test]
fn no_more_files_than_allowed_are_opened() {
    plays_to_the_end("files");
}

#[test]
fn no_larger_files_than_allowed_are_written() {
    let mut actor = Actor::start("limits::plays", "file");
    assert_eq!(actor.hear().as_deref(), Some("so far"));
    assert_eq!(actor.end().0, Exit::Signal(libc::SIGXFSZ));
}

#[test]
fn no_core_is_written() {
    plays_to_the_end("core");
}

#[test]
fn a_limit_above_what_is_allowed_is_an_error_that_says_so() {
    plays_to_the_end("above");
}

#[test]
fn a_process_makes_itself_nice() {
    plays_to_the_end("nice");
}

#[test]
fn a_process_pins_itself_to_each_cpu() {
    plays_to_the_end("pin");
}

#[test]
fn a_process_gives_up_its_user_and_groups() {
    plays_to_the_end("user");
}

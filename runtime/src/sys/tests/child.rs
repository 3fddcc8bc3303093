//! A child gets what it is started with, and is told from all others when it ends.

#![expect(unsafe_code, reason = "signals and standard descriptors are changed")]

use std::fs;
use std::io::{self, Read, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, getpgid, waitpid};

use super::role::{Actor, actor, role, say, wait_for_the_end};
use crate::sys::child::Usage;
use crate::sys::{Child, ChildSpec, Exit, wait_readable};

#[test]
fn plays() {
    let Some(role) = role() else { return };
    let (verb, number) = role.split_once(' ').unwrap_or((&role, "0"));
    let number: usize = number.parse().unwrap();
    match verb {
        "exit" => std::process::exit(number as i32),
        "tell" => {
            say(std::env::current_dir().unwrap().display());
            say(std::env::var("OWN").unwrap_or_default());
            say(std::env::vars_os().count());
            say(getpgid(None) == Ok(rustix::process::getpid()));
            eprint!("to stderr");
            std::process::exit(0);
        }
        "wait" => {
            say("ready");
            wait_for_the_end();
        }
        "spin" => {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(number as u64) {
                std::hint::spin_loop();
            }
            std::process::exit(0);
        }
        "eat" => {
            let eaten = vec![1_u8; number << 20];
            say(std::hint::black_box(&eaten).len());
            wait_for_the_end();
        }
        // Leaves a process behind that does not hold the pipe.
        "leave" => {
            let mut command = Command::new("sleep");
            command.arg("1000").stdout(io::stderr());
            let left = command.spawn().unwrap();
            say(left.id());
            std::process::exit(5);
        }
        "both" => {
            println!("#out");
            eprint!("#err");
            std::process::exit(0);
        }
        "host" => host(number),
        "swap" => swap(),
        "peaks" => peaks(number),
        other => panic!("no role: {other}"),
    }
}

/// A program that takes its children's ends for itself, in one way or the other.
fn host(ignores: usize) {
    if ignores == 1 {
        // SAFETY: no handler of ours is involved.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    }
    let mut actor = Actor::start("child::plays", "leave");
    let left = actor.hear().unwrap();
    assert!(wait_readable(&[actor.child.as_fd()], None).unwrap()[0]);
    if ignores == 0 {
        let pid = Pid::from_raw(actor.child.pid() as i32);
        waitpid(pid, WaitOptions::empty()).unwrap();
    }
    assert_eq!(
        actor.child.try_wait(),
        Some((Exit::Unknown, Usage::default()))
    );
    assert_eq!(actor.left(0), [0; 0], "{left} is left");
    say("done");
}

#[test]
fn exit_codes_and_signals_are_told() {
    let mut actor = Actor::start("child::plays", "exit 7");
    assert_eq!(actor.end().0, Exit::Code(7));
    assert_eq!(actor.end().0, Exit::Code(7), "it is told again");
    assert!(actor.child.signal(libc::SIGTERM).is_err());
    for (end, signal) in [
        (Child::terminate as fn(&Child), libc::SIGTERM),
        (Child::kill, libc::SIGKILL),
        (|child| child.signal(libc::SIGUSR1).unwrap(), libc::SIGUSR1),
    ] {
        let mut actor = Actor::start("child::plays", "wait");
        assert_eq!(actor.hear().as_deref(), Some("ready"));
        assert_eq!(actor.child.try_wait(), None);
        end(&actor.child);
        assert_eq!(actor.end().0, Exit::Signal(signal));
        assert!(!Path::new(&format!("/proc/{}", actor.child.pid())).exists());
    }
}

#[test]
fn a_dropped_child_is_gone() {
    let mut actor = Actor::start("child::plays", "wait");
    assert_eq!(actor.hear().as_deref(), Some("ready"));
    let path = format!("/proc/{}", actor.child.pid());
    assert!(Path::new(&path).exists());
    drop(actor);
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_child_gets_its_own_environment_folder_and_outputs() {
    let folder = fs::canonicalize(std::env::temp_dir()).unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let mut spec = actor("child::plays", "tell");
    spec.directory = Some(&folder);
    spec.stderr = Some(writer.as_fd());
    let environment = &mut spec.environment;
    environment.retain(|(key, _)| key.to_string_lossy().starts_with("PARPROC_TEST"));
    environment.push(("OWN".into(), "a=b".into()));
    let count = environment.len() + 1;
    let mut actor = Actor::play(spec);
    drop(writer);
    assert_eq!(actor.hear().unwrap(), folder.to_str().unwrap());
    assert_eq!(actor.hear().unwrap(), "a=b");
    assert_eq!(actor.hear().unwrap(), count.to_string());
    assert_eq!(actor.hear().unwrap(), "true", "it leads its group");
    assert_eq!(actor.end().0, Exit::Code(0));
    let mut errors = String::new();
    reader.read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "to stderr");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let mut spec = actor("child::plays", "tell");
    spec.directory = Some(Path::new("/not/there"));
    let error = Child::spawn(&spec).unwrap_err();
    assert!(error.to_string().contains("/not/there"), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn outputs_can_have_the_numbers_of_standard_ones() {
    let mut actor = Actor::start("child::plays", "swap");
    assert_eq!(actor.hear().unwrap(), "out: #out, err: #err");
}

fn swap() {
    let (mut out, out_writer) = pipe().unwrap();
    let (mut err, err_writer) = pipe().unwrap();
    let saved = io::stdout().as_fd().try_clone_to_owned().unwrap();
    // Standard output of the child is number 2 here, its standard error number 1.
    become_number(&err_writer, 1);
    become_number(&out_writer, 2);
    drop((out_writer, err_writer));
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let spec = ChildSpec {
        stdout: Some(stderr.as_fd()),
        stderr: Some(stdout.as_fd()),
        ..actor("child::plays", "both")
    };
    let mut child = Child::spawn(&spec).unwrap();
    become_number(&saved, 1);
    become_number(&saved, 2);
    let (mut on_out, mut on_err) = (String::new(), String::new());
    out.read_to_string(&mut on_out).unwrap();
    err.read_to_string(&mut on_err).unwrap();
    while child.try_wait().is_none() {}
    let on_out = on_out.lines().find(|line| line.starts_with('#'));
    say(format_args!("out: {}, err: {on_err}", on_out.unwrap()));
}

fn become_number(fd: &impl AsRawFd, number: i32) {
    // SAFETY: replaces a standard descriptor, which nobody closes.
    assert_eq!(unsafe { libc::dup2(fd.as_raw_fd(), number) }, number);
}

#[test]
fn what_is_left_of_the_group_goes_with_the_child() {
    let mut actor = Actor::start("child::plays", "leave");
    actor.hear().unwrap();
    assert_eq!(actor.end().0, Exit::Code(5));
    assert_eq!(actor.left(0), [0; 0]);
}

#[test]
fn an_end_that_the_host_program_takes_is_unknown() {
    for way in 0..2 {
        let mut host = Actor::start("child::plays", &format!("host {way}"));
        assert_eq!(host.hear().as_deref(), Some("done"), "way {way}");
    }
}

#[test]
fn cpu_time_is_told() {
    let mut actor = Actor::start("child::plays", "spin 300");
    let (exit, usage) = actor.end();
    assert_eq!(exit, Exit::Code(0));
    let cpu = usage.cpu;
    assert!(cpu > Duration::from_millis(30), "{cpu:?}");
    assert!(cpu < Duration::from_secs(10), "{cpu:?}");
}

#[test]
fn peak_memory_is_that_of_the_child() {
    // The kernel counts from the peak of the process that starts another.
    let mut eater = Actor::start("child::plays", "peaks 200");
    assert_eq!(eater.hear().as_deref(), Some("done"));
}

fn peaks(mib: usize) {
    const MIB: u64 = 1 << 20;
    drop(std::hint::black_box(vec![1_u8; mib << 20]));
    let peak = |ends: fn(&Child), role: &str| {
        let mut actor = Actor::start("child::plays", role);
        actor.hear().unwrap();
        ends(&actor.child);
        actor.end().1.peak
    };
    let kill: fn(&Child) = Child::kill;
    let terminate: fn(&Child) = Child::terminate;
    // One that had less than its parent is known only if it was killed.
    let small = peak(kill, "eat 20");
    assert!((20 * MIB..100 * MIB).contains(&small), "{small}");
    assert_eq!(peak(terminate, "eat 20"), 0);
    for ends in [kill, terminate] {
        let large = peak(ends, "eat 400");
        assert!((400 * MIB..500 * MIB).contains(&large), "{large}");
    }
    say("done");
}

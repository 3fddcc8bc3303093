//! Names, environments and folders of processes.

use std::env;
use std::fs;

use parproc::{Process, parallel};
use parproc_tests::{Meeting, in_time, program, role, succeeds};

use super::{Deed, add, comes, does};

#[parallel]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

#[parallel]
fn variables() -> Vec<String> {
    env::vars().map(|(name, _)| name).collect()
}

#[parallel]
fn folder() -> String {
    env::current_dir().unwrap().display().to_string()
}

#[parallel]
fn command_line() -> (Vec<String>, String) {
    let input = fs::read_link("/proc/self/fd/0").unwrap();
    (env::args().collect(), input.display().to_string())
}

#[test]
fn a_name_is_seen_in_lists_of_processes() {
    in_time(|| {
        let meeting = Meeting::new();
        for (name, seen) in [
            ("resizer", "resizer"),
            ("a: name with a lot of letters", "a: name with a "),
            ("fünfzehn_zeichenä", "fünfzehn_zeich"),
        ] {
            let process = Process::builder(comes, (meeting.name(), 0))
                .name(name)
                .spawn()
                .unwrap();
            let guest = meeting.wait();
            assert_eq!(process.name(), Some(name));
            let comm = fs::read_to_string(format!("/proc/{}/comm", process.pid())).unwrap();
            assert_eq!(comm, format!("{seen}\n"));
            drop(guest);
        }
    });
}

#[test]
fn a_process_without_a_name_has_that_of_the_program() {
    in_time(|| {
        let meeting = Meeting::new();
        let process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let _guest = meeting.wait();
        assert_eq!(process.name(), None);
        let comm = fs::read_to_string(format!("/proc/{}/comm", process.pid())).unwrap();
        assert!(comm.starts_with("process-"), "{comm}");
    });
}

#[test]
fn a_name_is_in_errors() {
    in_time(|| {
        let process = Process::builder(does, Deed::Abort).name("bad one");
        let error = process.spawn().unwrap().join().unwrap_err();
        let begin = "`process::does` in process `bad one`: its worker was ended by signal 6";
        assert!(error.to_string().starts_with(begin), "{error}");

        let process = Process::builder(does, Deed::Loop).name("slow one");
        let mut process = process.spawn().unwrap();
        let error = process.join_timeout(std::time::Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("process `slow one`"), "{error}");
        assert!(format!("{process:?}").contains("slow one"));
    });
}

#[test]
fn the_environment_is_that_of_the_program_with_changes() {
    in_time(|| {
        let path = env::var("PATH").unwrap();
        let process = Process::builder(variable, "PATH").env("PARPROC_TEST_A", "a");
        let process = process.spawn().unwrap();
        assert_eq!(process.join().unwrap(), Some(path));

        let process = Process::builder(variable, "PARPROC_TEST_A").env("PARPROC_TEST_A", "ä=b");
        let value = process.spawn().unwrap().join().unwrap();
        assert_eq!(value.as_deref(), Some("ä=b"));

        let process = Process::builder(variable, "PATH").env_remove("PATH");
        assert_eq!(process.spawn().unwrap().join().unwrap(), None);
        assert!(env::var("PATH").is_ok(), "ours is what it was");
    });
}

#[test]
fn the_environment_can_be_cleared() {
    in_time(|| {
        let process = Process::builder(variables, ())
            .env("A", "before")
            .env_clear()
            .env("B", "after")
            .spawn()
            .unwrap();
        assert_eq!(process.join().unwrap(), ["B"]);
    });
}

#[test]
fn the_working_directory_can_be_set() {
    in_time(|| {
        let process = Process::spawn(folder, ()).unwrap();
        let own = env::current_dir().unwrap().display().to_string();
        assert_eq!(process.join().unwrap(), own);
        for (set, seen) in [("/proc", "/proc"), ("/proc/../usr/.", "/usr")] {
            let process = Process::builder(folder, ()).current_dir(set);
            assert_eq!(process.spawn().unwrap().join().unwrap(), seen);
        }
    });
}

#[test]
fn a_process_has_the_arguments_of_the_program_and_no_input() {
    in_time(|| {
        let process = Process::builder(command_line, ()).name("other");
        let (arguments, input) = process.spawn().unwrap().join().unwrap();
        assert_eq!(arguments, env::args().collect::<Vec<_>>());
        assert_eq!(input, "/dev/null");
    });
}

#[test]
fn a_folder_that_is_missing_is_an_error_of_the_start() {
    in_time(|| {
        let process = Process::builder(add, (1, 2)).current_dir("/no/such/folder");
        let error = process.spawn().unwrap_err();
        assert!(error.is_start(), "{error}");
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    });
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let builder = || Process::builder(add, (1, 2));
    let refused = [
        builder().name("a\0b"),
        builder().env("a=b", "c"),
        builder().env("a", "c\0"),
        builder().env("", "c"),
        builder().env_remove("\0"),
        builder().current_dir("a\0b"),
        builder().timeout(std::time::Duration::ZERO),
        builder().memory_limit(0),
    ];
    for builder in refused {
        let name = format!("{builder:?}");
        let error = builder.spawn().unwrap_err();
        assert!(error.is_invalid(), "{name}: {error}");
    }
}

fn unmarked(x: u64) -> u64 {
    x
}

#[test]
fn a_function_without_the_attribute_is_refused() {
    let error = Process::spawn(unmarked, 1).unwrap_err();
    assert!(error.is_not_registered(), "{error}");
}

#[test]
fn an_argument_that_cannot_be_encoded_is_refused() {
    #[parallel]
    fn takes(_shy: super::Shy) {}

    let error = Process::spawn(takes, super::Shy).unwrap_err();
    assert!(error.task().unwrap().is_encode(), "{error}");
}

#[test]
fn the_input_of_a_process_that_failed_is_kept_if_asked_for() {
    let test = "settings::the_input_of_a_process_that_failed_is_kept_if_asked_for";
    if role().is_none() {
        let folder = tempfile::tempdir().unwrap();
        succeeds(program(test, "keep").env("PARPROC_CRASH_DIR", folder.path()));
        return;
    }
    in_time(|| {
        for deed in [Deed::Abort, Deed::Panic] {
            let error = Process::spawn(does, deed).unwrap().join().unwrap_err();
            let saved = error.task().unwrap().saved_input().unwrap();
            assert!(saved.exists(), "{error}");
            let text = error.to_string();
            assert!(text.contains("in a process of its own: "), "{text}");
        }
    });
}

#[test]
fn settings_of_pools_have_no_effect() {
    let test = "settings::settings_of_pools_have_no_effect";
    if role().is_none() {
        let mut command = program(test, "inline");
        succeeds(
            command
                .env("PARPROC_INLINE", "1")
                .env("PARPROC_WORKERS", "1"),
        );
        return;
    }
    in_time(|| {
        let meeting = Meeting::new();
        let spawn = |_| Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let processes: Vec<_> = (0..3).map(spawn).collect();
        let guests: Vec<_> = processes.iter().map(|_| meeting.wait()).collect();
        drop(guests);
        for process in processes {
            assert_ne!(process.join().unwrap(), std::process::id());
        }
    });
}

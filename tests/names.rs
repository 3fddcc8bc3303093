//! What lists of processes show of workers, and what workers themselves see of that.

use std::{env, fs, process};

use parproc::{Pool, Process, parallel, worker};
use parproc_tests::in_time;
use serde::{Deserialize, Serialize};

/// A process as `ps` and `top` show it, and as it sees itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    command: String,
    arguments: Vec<String>,
    own_arguments: Vec<String>,
}

#[parallel]
fn look() -> (Option<usize>, Seen) {
    (worker::id(), seen())
}

fn seen() -> Seen {
    let id = process::id();
    let command = fs::read_to_string(format!("/proc/{id}/comm")).unwrap();
    let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap();
    let arguments = String::from_utf8(arguments).unwrap();
    Seen {
        command: command.trim_end().to_owned(),
        arguments: arguments
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        own_arguments: env::args().collect(),
    }
}

/// What a process is shown as that has this title.
fn titled(title: &str) -> Vec<String> {
    let mut arguments: Vec<_> = env::args().collect();
    arguments[0].insert_str(0, title);
    arguments
}

struct Mirror;

#[parallel]
impl Mirror {
    fn new() -> Self {
        Self
    }

    fn look(&self) -> Seen {
        seen()
    }
}

#[test]
fn a_worker_shows_its_program_and_its_number() {
    in_time(|| {
        let pool = Pool::builder().workers(2).build().unwrap();
        let seen = pool.job(look).chunk_size(1).map([(); 50]).unwrap();
        for (id, seen) in seen {
            let id = id.unwrap();
            // The program's name, `names-` and a number, is cut.
            assert_eq!(seen.command.len(), 15);
            assert!(seen.command.starts_with("names-"), "{seen:?}");
            assert!(seen.command.ends_with(&format!(":w{id}")), "{seen:?}");
            assert_eq!(seen.arguments, titled(&format!("parproc worker {id}: ")));
            assert_eq!(seen.own_arguments, env::args().collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_process_shows_that_it_is_one_and_its_name() {
    in_time(|| {
        let (_, seen) = Process::spawn(look, ()).unwrap().join().unwrap();
        assert!(seen.command.starts_with("names-"), "{seen:?}");
        assert_eq!(seen.arguments, titled("parproc process: "));
        assert_eq!(seen.own_arguments, env::args().collect::<Vec<_>>());

        let named = Process::builder(look, ()).name("reader: of all").spawn();
        let (_, seen) = named.unwrap().join().unwrap();
        assert_eq!(seen.command, "reader: of all");
        assert_eq!(seen.arguments, titled("parproc process reader: of all: "));
        assert_eq!(seen.own_arguments, env::args().collect::<Vec<_>>());
    });
}

#[test]
fn an_actor_shows_what_it_is() {
    in_time(|| {
        let mirror = Mirror::spawn().unwrap();
        let seen = mirror.look().join().unwrap();
        assert!(seen.command.ends_with(":actor"), "{seen:?}");
        assert_eq!(seen.arguments, titled("parproc actor names::Mirror: "));
    });
}

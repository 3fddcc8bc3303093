//! What workers are called in lists of processes.

use std::ffi::OsString;

use crate::sys::{is_main_program, name_with, program_name};

/// What a worker shows there.
#[derive(Debug)]
pub(super) struct Naming {
    /// Stands before its first argument, which the worker itself has without it.
    title: String,
    /// Its short name, if not that of the program.
    pub(super) name: Option<String>,
}

impl Naming {
    /// Of a worker of a pool, with its number, or of the one that an actor lives in.
    pub(super) fn of_worker(slot: Option<usize>, actor: Option<&str>) -> Self {
        let number = slot.unwrap_or_default();
        let program = program_name();
        let program = String::from_utf8_lossy(&program);
        let (title, suffix) = match actor {
            Some(actor) => (format!("parproc actor {actor}: "), ":actor".to_owned()),
            None => (format!("parproc worker {number}: "), format!(":w{number}")),
        };
        Self::new(title, Some(name_with(&program, &suffix)))
    }

    /// Of a process for one call, which the program may have named.
    pub(super) fn of_process(name: Option<String>) -> Self {
        let title = match &name {
            Some(name) => format!("parproc process {name}: "),
            None => "parproc process: ".to_owned(),
        };
        Self::new(title, name)
    }

    fn new(title: String, name: Option<String>) -> Self {
        // Another program that parproc is a part of is caught too late to take it away.
        let title = if is_main_program() {
            title
        } else {
            String::new()
        };
        Self { title, name }
    }

    /// Those that the worker is executed with: the program's own, under the title.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<_> = std::env::args_os().collect();
        if let Some(first) = arguments.first_mut() {
            let mut titled = OsString::from(&self.title);
            titled.push(&*first);
            *first = titled;
        }
        arguments
    }

    /// How many bytes of the first argument are the title.
    pub(super) fn title(&self) -> usize {
        self.title.len()
    }
}

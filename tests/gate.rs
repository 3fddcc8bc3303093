//! Builds real programs and sees that their workers never enter `main`: however they are built and
//! linked, whatever their `main` does, and where they cannot have workers.
//!
//! The programs stand below `programs/`. Other compilers' work is most of what this binary waits for,
//! so they are built below the target folder and used again by the next run.

#[path = "gate/constructor.rs"]
mod constructor;
#[path = "gate/file.rs"]
mod file;
#[path = "gate/harness.rs"]
mod harness;
#[path = "gate/library.rs"]
mod library;
#[path = "gate/link.rs"]
mod link;
#[path = "gate/main.rs"]
mod main_function;
#[path = "gate/programs.rs"]
mod programs;
#[path = "gate/run.rs"]
mod run;

//! Where ranks above 0 stay: a constructor of the program, as the gate of [workers](crate::worker) is.

#![expect(
    unsafe_code,
    reason = "a constructor is placed in a section of the program"
)]

use std::ffi::{c_char, c_int};
use std::hint::black_box;
use std::io;

use super::{agent, center};
use crate::sys::{Constructor, call_constructors_after, is_main_program};
use crate::transport::Transport;
use crate::transport::launch::Launch;
use crate::transport::mpi;
use crate::worker::is_asked_for;

#[used]
// SAFETY: the section holds pointers to functions of this type.
#[unsafe(link_section = ".init_array")]
static GATE: Constructor = gate;

/// Whoever uses this module has the gate linked.
pub(super) fn link() {
    black_box(&raw const GATE);
}

extern "C" fn gate(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    // A worker, or one that repeats a call, has its own gate.
    if is_asked_for() || !is_main_program() {
        return;
    }
    let Some(launch) = Launch::detect() else {
        return;
    };
    for (name, value) in launch.variables() {
        // SAFETY: before `main`; no other thread of ours exists, and those that constructors may have started have
        // no business with our variables.
        unsafe { std::env::set_var(name, value) };
    }
    if launch.rank == 0 {
        let outlives_ranks = launch.outlives_ranks();
        match center::begin(outlives_ranks, move || join(&launch)) {
            Ok(center) => center::install(center),
            Err(error) => give_up(&error),
        }
    } else {
        call_constructors_after(gate, argc, argv, envp);
        let transport = match join(&launch) {
            Ok(transport) => transport,
            Err(error) => give_up(&error),
        };
        let (outcome, end) = agent::serve(transport, launch.outlives_ranks());
        if let Err(error) = outcome {
            // Nobody else can say it: this is the end of a rank, and not of `main`.
            eprintln!("parproc: rank {} ends: {error}", launch.rank);
        }
        let told = end.told;
        end.leave();
        std::process::exit(i32::from(!told));
    }
}

fn join(launch: &Launch) -> io::Result<Box<dyn Transport>> {
    mpi::join(launch).map_err(|error| io::Error::other(error.to_string()))
}

/// The launch cannot be joined: each rank says why, before `main`.
fn give_up(error: &io::Error) -> ! {
    eprintln!("parproc: {error}");
    std::process::exit(1);
}

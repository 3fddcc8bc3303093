//! The gate: a constructor of the program in which a worker stays, so that it never enters `main`.
//!
//! The linker collects constructors, functions that run before `main`, in one list. Ours is linked
//! before those by which the user's crates register their functions... or after, with link-time
//! optimisation. So in a worker it first calls those that stand behind it in the list, and only
//! then serves. A process that is to [repeat a call](crate::replay) stays here in the same way. An
//! ordinary one pays for two looks at its environment.

#![expect(
    unsafe_code,
    reason = "a constructor is placed in a section of the program"
)]

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

use super::attach::{Attach, VARIABLE};
use super::guard::{GuardAttach, guard};
use super::serve::serve;
use crate::error::{Error, ErrorKind, Result};
use crate::replay::{self, Request};
use crate::sys::{
    Constructor, call_constructors_after, drop_title, is_argument_of_loader, is_main_program,
};

#[used]
// SAFETY: the section holds pointers to functions of this type.
#[unsafe(link_section = ".init_array")]
static GATE: Constructor = gate;

static WORKER: AtomicBool = AtomicBool::new(false);
static INIT_CALLED: AtomicBool = AtomicBool::new(false);

extern "C" fn gate(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    // In a shared library the registrations of the program come later: `init` serves there.
    let stays = std::env::var_os(VARIABLE).is_some() || Request::from_environment().is_some();
    if stays && is_main_program() {
        enter(|title| {
            // SAFETY: the arguments of a constructor are those of the process.
            unsafe { drop_title(argv, title) };
            call_constructors_after(gate, argc, argv, envp);
        });
    }
}

/// Serves, if this process was started as a worker, or repeats the call that it was started for;
/// never returns then. `prepare` is told how much of the first argument is none.
fn enter(prepare: impl FnOnce(usize)) {
    let Some(value) = std::env::var_os(VARIABLE) else {
        if let Some(request) = Request::from_environment() {
            replay::VARIABLES.into_iter().for_each(forget);
            // So that the call uses its own process for calls of its own, as before.
            WORKER.store(true, Ordering::Relaxed);
            prepare(0);
            request.run();
        }
        return;
    };
    forget(VARIABLE);
    if let Some(attach) = value.to_str().and_then(GuardAttach::from_variable) {
        // No constructors after the gate are run: it is not for the program's code.
        guard(&attach);
    }
    WORKER.store(true, Ordering::Relaxed);
    match value.to_str().map(Attach::from_variable) {
        Some(Ok(attach)) => {
            // The kernel ends this process when the thread that started it ends, from here on.
            if crate::sys::end_with_parent(attach.parent).is_err() {
                std::process::exit(1);
            }
            // What tasks start and leave behind stays below this process. Where that is refused, it
            // is found by its process group, or not at all.
            let _ = crate::sys::become_subreaper();
            prepare(attach.title);
            serve(&attach)
        }
        _ => std::process::exit(1),
    }
}

/// Removes a variable: it is for this process, and not for those that its task starts.
fn forget(variable: &str) {
    // SAFETY: before `main`, or at its beginning: no other thread of ours exists, and others that
    // constructors may have started have no business with our variables.
    unsafe { std::env::remove_var(variable) };
}

/// Makes this process a worker if it was started as one, and returns at once otherwise.
///
/// Ordinary programs never call this: workers are caught before `main`. It is for programs in which
/// parproc is part of a shared library (a Rust `dylib`), whose constructors run too early. Call it
/// first in `main` there. A plugin of a foreign program must not call it: the program that is
/// executed again would be the host.
pub fn init() {
    enter(|_| {});
    INIT_CALLED.store(true, Ordering::Relaxed);
}

/// True if this process was started to serve, or to repeat a call.
#[cfg(feature = "mpi")]
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(VARIABLE).is_some() || Request::from_environment().is_some()
}

/// True in a worker.
pub(crate) fn is_worker() -> bool {
    WORKER.load(Ordering::Relaxed)
}

/// Fails when executing this program again would not lead to the gate.
pub(crate) fn can_start_workers() -> Result<()> {
    let (cause, cure) = if is_argument_of_loader() {
        (
            "this program was started through the dynamic loader",
            "Start the program itself, or use `Pool::builder().inline()`",
        )
    } else if is_main_program() || INIT_CALLED.load(Ordering::Relaxed) {
        return Ok(());
    } else {
        (
            "parproc is in a shared library here",
            "In a plugin, use `Pool::builder().inline()`, or run a program of your own; in a program \
             that links parproc as a `dylib`, call `parproc::init()` first in `main`",
        )
    };
    let executed = std::env::current_exe().unwrap_or_default();
    Err(Error::new(ErrorKind::Foreign {
        reason: format!(
            "{cause}, so executing `{}` again would run that program and not a worker; it was not \
             started. {cure}",
            executed.display()
        ),
    }))
}

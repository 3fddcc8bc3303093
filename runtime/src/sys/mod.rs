//! The operating system: the only place that names it, and where nearly all unsafe code is.

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("parproc works on Linux on x86_64 and aarch64");

mod build;
mod child;
mod clock;
mod clone;
mod futex;
mod image;
mod limits;
mod mapping;
mod mark;
mod memory;
mod notify;
mod objects;
mod oom;
mod proc;
mod random;
mod robust;
mod signals;
mod socket;
mod spawn;
mod stack;
mod standard;
mod thread;
mod tree;

pub(crate) use build::{build_id, program_file};
pub(crate) use child::{Child, Exit, Usage};
pub(crate) use clock::{cpu_nanos, nanos_of, now_nanos};
pub(crate) use futex::{futex_wait, futex_wait_either, futex_wake, futex_wake_some};
pub(crate) use image::{Constructor, call_constructors_after, drop_title};
#[cfg(feature = "mpi")]
pub(crate) use limits::allowed_cpus;
pub(crate) use limits::{Resource, pin_to_cpu, set_group_and_user, set_limit, set_nice};
pub(crate) use mapping::{Draft, Mapping, Sealed, Segment, advise_huge, advise_huge_room};
pub(crate) use mark::Mark;
pub(crate) use memory::{peak_memory, tree_memory};
pub(crate) use notify::{Notify, Wait, event, is_readable, lower, raise, wait_on, wait_readable};
pub(crate) use objects::{is_argument_of_loader, is_main_program};
pub(crate) use oom::oom_kills;
pub(crate) use proc::{host_name, is_running, started, thread_exists};
pub(crate) use random::random_hex;
pub(crate) use robust::{Held, RobustBlock, RobustList};
#[cfg(feature = "mpi")]
pub(crate) use signals::FaultHandlers;
pub(crate) use signals::{
    FaultRecord, end_with_parent, hide, ignore_broken_pipes, install_worker_signals, signal_name,
};
pub(crate) use socket::{
    MOST_DESCRIPTORS, Received, accept, connect, drop_message, is_hung_up, listen, receive_message,
    send_message, socket_pair,
};
pub(crate) use spawn::{ChildSpec, environment_with};
pub(crate) use stack::Stack;
pub(crate) use standard::{
    Read, Standard, Write, flush_streams, null, pipe, read_now, unread, wait_for_numbers, write_now,
};
#[cfg(feature = "mpi")]
pub(crate) use thread::sleep_exactly;
pub(crate) use thread::{
    at_exit, cpus, end_at_once, end_if_copy, forks, forks_watched, is_copy, name_after_program,
    name_process, name_with, online_cpus, program_name, spawn_quiet, watch_forks,
};
#[cfg(feature = "mpi")]
pub(crate) use tree::end_sibling;
pub(crate) use tree::{
    UNKNOWN, become_subreaper, kill_group_of, open_self, reap_beyond, terminate, wait_for_ends,
};

#[cfg(test)]
mod tests;

//! Threads of the library, how many CPUs it may use, and the end of the program.

#![expect(
    unsafe_code,
    reason = "signal masks and exit handlers belong to the C library"
)]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

/// The kernel keeps so much of a name.
const NAME_BYTES: usize = 15;

/// Starts a thread in which no signal handler of the host program ever runs.
pub(crate) fn spawn_quiet(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `all` is valid for writes; sigfillset initialises it and cannot fail on a valid pointer.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // A new thread inherits the mask of its creator.
    // SAFETY: `all` was initialised above and `before` is valid for writes.
    let masked =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body);
    if masked == 0 {
        // SAFETY: the successful call above wrote the old mask to `before`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    thread
}

/// The CPUs that this process may use, by its affinity mask and its cgroup's quota; at least 1.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The CPUs of the machine, whichever of them this process may use; at least 1.
pub(crate) fn online_cpus() -> usize {
    // SAFETY: asks for a number.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).unwrap_or(1).max(1)
}

/// Has short sleeps of this thread end when they should: the kernel may add 50 µs to each otherwise.
#[cfg(feature = "mpi")]
pub(crate) fn sleep_exactly() {
    // Where it is refused, sleeps are a little longer.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000));
}

/// Has `last` called when the program ends by `exit` or by returning from `main`.
pub(crate) fn at_exit(last: extern "C" fn()) {
    // SAFETY: `last` is a function of this program. Should the list of such functions be full, the
    // program just ends without the call.
    unsafe { libc::atexit(last) };
}

/// Names the process in lists of processes.
pub(crate) fn name_process(name: &str) {
    set_name(cut(name, NAME_BYTES).as_bytes());
}

/// The name of a program with something behind it that must stand in lists of processes.
pub(crate) fn name_with(program: &str, suffix: &str) -> String {
    format!(
        "{}{suffix}",
        cut(program, NAME_BYTES.saturating_sub(suffix.len()))
    )
}

/// The kernel would cut it in the middle of a character.
fn cut(name: &str, bytes: usize) -> &str {
    &name[..name.floor_char_boundary(bytes)]
}

/// The name of the program's file, as it was called; empty if it was called by nothing.
pub(crate) fn program_name() -> Vec<u8> {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default();
    name.as_bytes().to_owned()
}

/// Gives the process the name of the program: executed by descriptor, it would be called `exe`.
pub(crate) fn name_after_program() {
    set_name(&program_name());
}

fn set_name(name: &[u8]) {
    if let Ok(name) = CString::new(name) {
        // A name is a convenience, so a refusal is none.
        let _ = rustix::thread::set_name(&name);
    }
}

pub(super) static FORKS: AtomicU32 = AtomicU32::new(0);
static ORIGINAL: AtomicU32 = AtomicU32::new(0);

/// How often this process, or the one that it was forked from, went through a `fork`.
pub(crate) fn forks() -> u32 {
    static WATCH: Once = Once::new();
    unsafe extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    WATCH.call_once(|| {
        // SAFETY: the handler only increments a counter, which is allowed in the child of a fork.
        unsafe { libc::pthread_atfork(None, None, Some(count)) };
    });
    FORKS.load(Ordering::Relaxed)
}

/// From now on [`is_copy`] is true in the copies that `fork` makes of this process.
pub(crate) fn watch_forks() {
    ORIGINAL.store(forks(), Ordering::Relaxed);
}

/// What [`forks`] counts in, and what it holds in the process that called [`watch_forks`]; something else in
/// its copies.
pub(crate) fn forks_watched() -> (&'static AtomicU32, u32) {
    (&FORKS, ORIGINAL.load(Ordering::Relaxed))
}

/// True in a copy of the process that called [`watch_forks`]. Allowed in a signal handler.
#[inline]
pub(crate) fn is_copy() -> bool {
    FORKS.load(Ordering::Relaxed) != ORIGINAL.load(Ordering::Relaxed)
}

/// Ends a copy of the worker that a task's `fork` made, and that came back from the task as the worker
/// itself does: the parent waits for one result, and all words that the copy could write are the worker's.
#[inline]
pub(crate) fn end_if_copy() {
    if is_copy() {
        end_at_once(0);
    }
}

/// Ends this process with an exit code, without running anything that is registered for its end, and
/// without writing what is buffered: both belong to another process.
pub(crate) fn end_at_once(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

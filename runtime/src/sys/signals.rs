//! Signals: how a worker meets them, and what they are called.

#![expect(
    unsafe_code,
    reason = "signal handlers are installed through the C library"
)]

use std::ffi::{CString, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::is_copy;

/// Where the fault handler leaves what it saw, in memory that the parent can read after the death.
///
/// Both words are written by the worker's handler once, `signal` last, and read by the parent
/// after it has seen the worker's end.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct FaultRecord {
    pub(crate) address: AtomicU64,
    /// The stack pointer at the fault.
    pub(crate) stack: AtomicU64,
    /// The signal's number, 0 while there was none.
    pub(crate) signal: AtomicU64,
}

/// Has the kernel kill this process when the thread that started it ends.
///
/// Fails when that has happened already.
pub(crate) fn end_with_parent(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let alive = getppid()
        .map(Pid::as_raw_nonzero)
        .is_some_and(|pid| pid.get().unsigned_abs() == parent);
    if alive {
        Ok(())
    } else {
        Err(io::Error::other("the parent process is gone"))
    }
}

/// Bytes of the stack of the fault handler: its frame, with the largest vector state of today's processors.
const FAULT_STACK: usize = 64 * 1024;

static RECORD: AtomicPtr<FaultRecord> = AtomicPtr::new(ptr::null_mut());

/// Sets up what Rust's own start code, which a worker never reaches, would have set up.
///
/// SIGPIPE is ignored, so that printing to a closed pipe is an error and not a death. SIGINT is
/// left to the parent: the kernel ends the worker with it. Faults are recorded, on a stack of their
/// own so that a stack overflow is recorded too, and then take their usual course.
pub(crate) fn install_worker_signals(record: &'static FaultRecord) -> io::Result<()> {
    RECORD.store(ptr::from_ref(record).cast_mut(), Ordering::Release);
    ignore_broken_pipes()?;
    // A handler and not SIG_IGN, which the programs that a task starts would inherit.
    let ignore: extern "C" fn(c_int) = ignored;
    install(libc::SIGINT, ignore as libc::sighandler_t, libc::SA_RESTART)?;

    // Memory of its own, of which no page exists before there is a fault; that of the allocator would
    // be filled with zeroes.
    // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
    let stack = unsafe {
        rustix::mm::mmap_anonymous(
            ptr::null_mut(),
            FAULT_STACK,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }?;
    let alternate = libc::stack_t {
        ss_sp: stack,
        ss_flags: 0,
        ss_size: FAULT_STACK,
    };
    // SAFETY: the stack is never unmapped, so it lives as long as the process.
    if unsafe { libc::sigaltstack(&raw const alternate, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = record_fault;
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
        install(signal, handler as libc::sighandler_t, flags)?;
    }
    Ok(())
}

/// What this process does about faults.
#[cfg(feature = "mpi")]
pub(crate) struct FaultHandlers(Vec<(c_int, libc::sigaction)>);

#[cfg(feature = "mpi")]
impl FaultHandlers {
    /// Remembers it.
    pub(crate) fn keep() -> Self {
        let signals = [
            libc::SIGABRT,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGSEGV,
        ];
        let kept = signals.into_iter().filter_map(|signal| {
            let mut action = MaybeUninit::<libc::sigaction>::uninit();
            // SAFETY: the pointer is valid for writes.
            let read = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
            // SAFETY: the successful call has written it.
            (read == 0).then(|| (signal, unsafe { action.assume_init() }))
        });
        Self(kept.collect())
    }

    /// Has it be so again.
    pub(crate) fn restore(self) {
        for (signal, action) in self.0 {
            // SAFETY: the description is one that was in force before.
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        }
    }
}

/// Has printing to a closed pipe be an error and not a death, as Rust's own start code does.
pub(crate) fn ignore_broken_pipes() -> io::Result<()> {
    install(libc::SIGPIPE, libc::SIG_IGN, 0)
}

/// Makes this a process in the background, which has a name of its own, keeps no folder from being
/// removed, and is ended by nothing but SIGKILL.
pub(crate) fn hide(name: &str) {
    // A name is a convenience, and so is the rest.
    let _ = CString::new(name).map(|name| rustix::thread::set_name(&name));
    let _ = rustix::process::chdir("/");
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        // Managers of services send it to all processes of a program. It is for the program.
        libc::SIGTERM,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGUSR1,
        libc::SIGUSR2,
    ] {
        let _ = install(signal, libc::SIG_IGN, 0);
    }
}

fn install(signal: c_int, handler: libc::sighandler_t, flags: c_int) -> io::Result<()> {
    let action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is a valid value of this plain C struct.
    let mut action = unsafe { action.assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: `action` is a complete description; the handlers used here are async-signal-safe.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn ignored(_signal: c_int) {}

/// Records the fault, then lets the signal do what it does without a handler.
extern "C" fn record_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid description of the signal.
    let info = unsafe { &*info };
    let sent = info.si_code <= 0;
    if !sent {
        let record = RECORD.load(Ordering::Acquire);
        // SAFETY: null, or a record that is never unmapped while the worker lives.
        let record = unsafe { record.as_ref() };
        // The faults of a copy that a task's `fork` made are its own.
        if let Some(record) = record.filter(|_| !is_copy()) {
            // SAFETY: the four signals handled here carry an address.
            let address = unsafe { info.si_addr() };
            record
                .address
                .store(address.addr() as u64, Ordering::Relaxed);
            record
                .stack
                .store(stack_pointer(context), Ordering::Relaxed);
            record
                .signal
                .store(u64::from(signal.unsigned_abs()), Ordering::Release);
        }
        // Returning executes the faulting instruction again, now under the default action.
        return;
    }
    // A signal that another process or `raise` sent does not come again by itself.
    // SAFETY: raising a signal whose action was reset to the default when this handler began.
    unsafe { libc::raise(signal) };
}

fn stack_pointer(context: *mut c_void) -> u64 {
    let context: *const libc::ucontext_t = context.cast();
    // SAFETY: the kernel passes the interrupted thread's context.
    let machine = unsafe { &(*context).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let pointer = machine.gregs[libc::REG_RSP as usize] as u64;
    #[cfg(target_arch = "aarch64")]
    let pointer = machine.sp;
    pointer
}

/// The usual name of a signal.
pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL, an illegal instruction",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT, an abort",
        libc::SIGBUS => "SIGBUS, a bad memory access",
        libc::SIGFPE => "SIGFPE, an arithmetic fault",
        libc::SIGKILL => "SIGKILL: killed by another process, or by the kernel when memory ran out",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV, a segmentation fault",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU, the limit of CPU time",
        libc::SIGXFSZ => "SIGXFSZ, the limit of file size",
        libc::SIGSYS => "SIGSYS, a forbidden system call",
        _ => return None,
    })
}

//! The program as it was loaded: its list of constructors, and its arguments.

#![expect(
    unsafe_code,
    reason = "constructors and arguments of the program are found by address"
)]

use std::ffi::{CStr, c_char, c_int};

/// A function in the program's list of constructors, as the C library calls it.
pub(crate) type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// Calls the constructors that stand after `own` in the program's list.
///
/// A worker never returns from its own constructor, so those that come later (C++ static objects
/// of linked libraries among them) would never run. Nothing is called if the list does not hold
/// `own`, as in a shared library.
pub(crate) fn call_constructors_after(
    own: Constructor,
    argc: c_int,
    argv: *const *const c_char,
    envp: *const *const c_char,
) {
    let (start, end) = constructor_list();
    if start.is_null() || end.is_null() {
        return;
    }
    let count = (end.addr().saturating_sub(start.addr())) / size_of::<usize>();
    // SAFETY: the linker's two symbols enclose that many pointers, which are not written to any
    // more.
    let entries = unsafe { std::slice::from_raw_parts(start, count) };
    let Some(found) = entries.iter().position(|entry| *entry == own as usize) else {
        return;
    };
    for &address in &entries[found + 1..] {
        // The C library skips these two values as well.
        if address == 0 || address == usize::MAX {
            continue;
        }
        // SAFETY: entries of the list are functions of this type, put there by the linker.
        let constructor = unsafe { std::mem::transmute::<usize, Constructor>(address) };
        constructor(argc, argv, envp);
    }
}

/// Cuts the first `len` bytes off the first argument: from here on the program has the rest for one, while
/// lists of processes, for which the kernel reads the bytes themselves, show all of it.
///
/// Without glibc nothing is done: constructors are given no arguments there.
///
/// # Safety
/// `argv` is what the C library called a constructor with, and no other thread runs yet.
pub(crate) unsafe fn drop_title(argv: *const *const c_char, len: usize) {
    if cfg!(not(target_env = "gnu")) || argv.is_null() {
        return;
    }
    // SAFETY: a list of arguments ends with a null pointer, so it has one entry at least.
    let first = unsafe { *argv };
    if len == 0 || first.is_null() {
        return;
    }
    // SAFETY: an argument ends with a zero.
    let argument = unsafe { CStr::from_ptr(first) };
    if let Some(rest) = argument.to_bytes_with_nul().get(len..) {
        // SAFETY: the list is the process's own, in writable memory, as the C standard demands; and
        // nobody reads it at this moment.
        unsafe { *argv.cast_mut() = rest.as_ptr().cast() };
    }
}

/// The linker's `__init_array_start` and `__init_array_end`, or null where it defines none.
///
/// They are read through the global offset table as weak symbols, because a shared library has to
/// link and load without them.
fn constructor_list() -> (*const usize, *const usize) {
    let start: *const usize;
    let end: *const usize;
    // SAFETY: loads two addresses from the global offset table and touches nothing else.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            ".weak __init_array_start",
            ".weak __init_array_end",
            "mov {start}, qword ptr [rip + __init_array_start@GOTPCREL]",
            "mov {end}, qword ptr [rip + __init_array_end@GOTPCREL]",
            start = out(reg) start,
            end = out(reg) end,
            options(readonly, nostack, preserves_flags, pure),
        );
    }
    // SAFETY: loads two addresses from the global offset table and touches nothing else.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            ".weak __init_array_start",
            ".weak __init_array_end",
            "adrp {start}, :got:__init_array_start",
            "ldr {start}, [{start}, :got_lo12:__init_array_start]",
            "adrp {end}, :got:__init_array_end",
            "ldr {end}, [{end}, :got_lo12:__init_array_end]",
            start = out(reg) start,
            end = out(reg) end,
            options(readonly, nostack, preserves_flags, pure),
        );
    }
    (start, end)
}

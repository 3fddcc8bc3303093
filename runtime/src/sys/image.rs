//! The program's own image: its list of constructors, and whether we are part of it.

#![expect(
    unsafe_code,
    reason = "the constructors of the program are found and called by address"
)]

use std::ffi::{c_char, c_int, c_void};

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
    let entry = |index: usize| {
        // SAFETY: `index` is below the count of pointers between the linker's two symbols.
        unsafe { *start.add(index) }
    };
    let Some(found) = (0..count).find(|index| entry(*index) == own as usize) else {
        return;
    };
    for index in found + 1..count {
        let address = entry(index);
        // The C library skips these two values as well.
        if address == 0 || address == usize::MAX {
            continue;
        }
        // SAFETY: entries of the list are functions of this type, put there by the linker.
        let constructor = unsafe { std::mem::transmute::<usize, Constructor>(address) };
        constructor(argc, argv, envp);
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
            options(nomem, nostack, preserves_flags),
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
            options(nomem, nostack, preserves_flags),
        );
    }
    (start, end)
}

/// True when this code is linked into the running program itself, and not into a library of it.
pub(crate) fn is_main_program() -> bool {
    extern "C" fn first_object(
        info: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        found: *mut c_void,
    ) -> c_int {
        let here = is_main_program as fn() -> bool as usize;
        // SAFETY: the loader passes a valid description of the object.
        let info = unsafe { &*info };
        for index in 0..usize::from(info.dlpi_phnum) {
            // SAFETY: the object has `dlpi_phnum` headers at this address.
            let header = unsafe { &*info.dlpi_phdr.add(index) };
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            if header.p_type == libc::PT_LOAD && here.wrapping_sub(start) < header.p_memsz as usize
            {
                // SAFETY: `found` is the `bool` that the caller below passes.
                unsafe { *found.cast::<bool>() = true };
            }
        }
        1 // The first object is the program; stop there.
    }
    let mut found = false;
    // SAFETY: the callback has the expected type, and `found` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(first_object), (&raw mut found).cast()) };
    found
}

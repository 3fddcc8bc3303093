//! The program and the shared libraries that are loaded, as the loader lists them.

#![expect(unsafe_code, reason = "the loader's list of objects is walked")]

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

use libc::Elf64_Phdr;

/// A loaded object; the program itself is the first one, and has an empty name.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: String,
    /// What its addresses are relative to.
    pub(super) base: usize,
    /// True when its file names the dynamic loader that is to load it.
    asks_for_loader: bool,
    segments: Vec<Range<usize>>,
    /// Where its notes are in memory, and what they are aligned to.
    pub(super) notes: Vec<(Range<usize>, usize)>,
}

impl Object {
    pub(super) fn contains(&self, address: usize) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.contains(&address))
    }
}

pub(super) fn objects() -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    // SAFETY: the callback has the expected type, and `objects` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut objects).cast()) };
    objects
}

/// True when this code is linked into the running program itself, and not into a library of it.
pub(crate) fn is_main_program() -> bool {
    let here = is_main_program as fn() -> bool as usize;
    objects()
        .first()
        .is_some_and(|program| program.contains(here))
}

/// True when the running program was an argument of the dynamic loader, which is then what the kernel
/// executed, and what executing `/proc/self/exe` would execute again.
pub(crate) fn is_argument_of_loader() -> bool {
    // SAFETY: reads a value that the kernel left for this process.
    let loader = unsafe { libc::getauxval(libc::AT_BASE) };
    // The kernel tells where it put the loader that an executed program asks for.
    loader == 0
        && objects()
            .first()
            .is_some_and(|program| program.asks_for_loader)
}

extern "C" fn note(info: *mut libc::dl_phdr_info, _size: usize, objects: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid description of an object.
    let info = unsafe { &*info };
    // SAFETY: `objects` is the vector that `objects()` passes.
    let objects = unsafe { &mut *objects.cast::<Vec<Object>>() };
    let (count, base) = (usize::from(info.dlpi_phnum), info.dlpi_addr as usize);
    // SAFETY: the object has that many headers at that address.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, count) };
    let place = |header: &Elf64_Phdr| {
        let start = base.wrapping_add(header.p_vaddr as usize);
        start..start.wrapping_add(header.p_memsz as usize)
    };
    let of_type = |wanted| headers.iter().filter(move |header| header.p_type == wanted);
    let segments: Vec<_> = of_type(libc::PT_LOAD).map(place).collect();
    let notes = of_type(libc::PT_NOTE)
        .map(|header| (place(header), header.p_align as usize))
        .filter(|(note, _)| {
            let within = |segment: &Range<usize>| {
                segment.start <= note.start && note.start <= note.end && note.end <= segment.end
            };
            segments.iter().any(within)
        });
    let name = if info.dlpi_name.is_null() {
        String::new()
    } else {
        // SAFETY: the loader's names are C strings that live as long as the object.
        unsafe { CStr::from_ptr(info.dlpi_name) }
            .to_string_lossy()
            .into_owned()
    };
    let asks_for_loader = headers
        .iter()
        .any(|header| header.p_type == libc::PT_INTERP);
    objects.push(Object {
        name,
        base,
        asks_for_loader,
        notes: notes.collect(),
        segments,
    });
    0
}

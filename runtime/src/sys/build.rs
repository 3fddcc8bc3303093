//! Which build of the program is running.

#![expect(
    unsafe_code,
    reason = "notes of the program are read where they are loaded"
)]

use std::fs::File;
use std::io;
use std::ptr;
use std::slice;

use super::objects::objects;

/// The type of the note that holds the build's id.
const NT_GNU_BUILD_ID: u32 = 3;

/// What the linker left in the program to tell its builds apart; none if it was not asked to.
///
/// It follows from the contents of the program, and is not changed by stripping or copying that.
pub(crate) fn build_id() -> Option<Vec<u8>> {
    let program = objects().into_iter().next()?;
    program.notes.into_iter().find_map(|(place, align)| {
        let start = ptr::with_exposed_provenance::<u8>(place.start);
        // SAFETY: the notes lie within a segment of the program, which stays loaded and is not written to there.
        let notes = unsafe { slice::from_raw_parts(start, place.len()) };
        find_id(notes, align)
    })
}

/// The file that is being executed, also if its name was deleted or belongs to another one by now.
pub(crate) fn program_file() -> io::Result<File> {
    File::open("/proc/self/exe")
}

/// The id in a list of notes. Each has three numbers (the lengths of its name and of its contents, and its type),
/// its name, and its contents, both filled up to the alignment.
fn find_id(mut notes: &[u8], align: usize) -> Option<Vec<u8>> {
    let align = if align == 8 { 8 } else { 4 };
    let number = |at: usize, notes: &[u8]| {
        let bytes = notes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    loop {
        let name_len = number(0, notes)? as usize;
        let len = number(4, notes)? as usize;
        let kind = number(8, notes)?;
        let start = (12 + name_len).next_multiple_of(align);
        let name = notes.get(12..12 + name_len)?;
        let contents = notes.get(start..start + len)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(contents.to_vec()).filter(|id| !id.is_empty());
        }
        notes = notes.get((start + len).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u32, name: &[u8], contents: &[u8], align: usize) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [name.len() as u32, contents.len() as u32, kind] {
            note.extend(number.to_ne_bytes());
        }
        for part in [name, contents] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(align), 0);
        }
        note
    }

    #[test]
    fn the_id_is_found_among_other_notes() {
        for align in [4, 8] {
            let others = [
                note(5, b"GNU\0", &[0; 16], align),
                note(3, b"Go\0", b"another", align),
            ];
            let id = note(3, b"GNU\0", b"\x01\x02\x03", align);
            let notes = [others.concat(), id.clone()].concat();
            assert_eq!(find_id(&notes, align), Some(vec![1, 2, 3]));
            assert_eq!(find_id(&others.concat(), align), None);
            assert_eq!(find_id(&id[..id.len() - align], align), None, "cut short");
        }
        assert_eq!(find_id(&[0xff; 64], 4), None);
    }

    #[test]
    fn the_id_of_this_program_is_the_one_in_its_file() {
        // Not every linker leaves one.
        if let Some(id) = build_id() {
            let file = std::fs::read("/proc/self/exe").unwrap();
            assert!(file.windows(id.len()).any(|bytes| bytes == id));
        }
    }
}

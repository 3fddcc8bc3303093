//! Values that are only read, in one process.

use std::collections::BTreeMap;
use std::io::Write;

use crate::object::{Flags, Object, Tag};
use crate::shared::form::Memory;
use crate::shared::{Shared, SharedArray, SharedCell};

#[test]
fn slices_and_texts_are_what_they_were_made_from() {
    let numbers: Shared<[f64]> = Shared::new(vec![1.5, 2.5]).unwrap();
    assert_eq!(*numbers, [1.5, 2.5]);
    let other = numbers.clone();
    assert!(other.is_same(&numbers));
    assert_eq!(other.as_ptr(), numbers.as_ptr());
    assert_eq!(*Shared::from_slice(&[1_u8, 2, 3]).unwrap(), [1, 2, 3]);
    assert!(Shared::<[u64]>::new(Vec::new()).unwrap().is_empty());
    let flags: Shared<[bool]> = Shared::new([true, false]).unwrap();
    assert_eq!(*flags, [true, false]);
    let text: Shared<str> = Shared::new("schön").unwrap();
    assert_eq!(&*text, "schön");
    let text: Shared<str> = Shared::new(String::new()).unwrap();
    assert_eq!(&*text, "");
}

#[test]
fn a_value_with_serde_keeps_its_type() {
    let map = Shared::new(BTreeMap::from([("a".to_owned(), vec![1, 2])])).unwrap();
    assert_eq!(map["a"], [1, 2]);
    let vector: Shared<Vec<f32>> = Shared::new(vec![1.5]).unwrap();
    assert_eq!(vector.len(), 1);
}

#[test]
fn what_came_is_looked_at() {
    let freeze = |tag, bytes: &[u8]| {
        let object = Object::frozen(tag, bytes.len(), Flags::default(), |memory| {
            memory.write_all(bytes)
        });
        Memory(object.unwrap())
    };
    let text = |bytes| {
        let memory = freeze(Tag::of::<str>("value"), bytes);
        Shared::<str>::of_memory(memory, Vec::new())
    };
    assert_eq!(&*text(b"abc").unwrap(), "abc");
    assert!(text(b"a\xffc").is_err());
    let flags = |bytes| {
        let memory = freeze(Tag::of::<[bool]>("value"), bytes);
        Shared::<[bool]>::of_memory(memory, Vec::new())
    };
    assert_eq!(*flags(b"\0\x01").unwrap(), [false, true]);
    assert!(flags(b"\0\x02").is_err());
    let words = |bytes| {
        let memory = freeze(Tag::of::<[u32]>("value"), bytes);
        Shared::<[u32]>::of_memory(memory, Vec::new())
    };
    assert!(words(&[0; 8]).is_ok());
    assert!(words(&[0; 7]).is_err());
    let pair = |bytes| {
        let memory = freeze(Tag::of::<(String, u8)>("value"), bytes);
        Shared::<(String, u8)>::of_memory(memory, Vec::new())
    };
    assert_eq!(*pair(b"\x02ab\x07").unwrap(), ("ab".to_owned(), 7));
    assert!(pair(b"\x05ab\x07").is_err());
    let writable = Object::memory(Tag::of::<str>("value"), 3, Flags::default()).unwrap();
    assert!(Shared::<str>::of_memory(Memory(writable), Vec::new()).is_err());
    let cell = SharedCell::new(1_u64).unwrap();
    let array = SharedArray::<u64>::new(1).unwrap();
    assert!(SharedArray::<u64>::of_object(array.object.clone(), 2).is_err());
    assert!(SharedArray::<i64>::of_object(array.object.clone(), 1).is_err());
    drop(cell);
}

#[test]
fn a_file_is_read_or_mapped() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let empty = Shared::read_file(file.path()).unwrap();
    assert!(empty.is_empty());
    #[expect(unsafe_code, reason = "nobody else has the file")]
    // SAFETY: a temporary file, which is not changed while it is mapped.
    let map = |path: &std::path::Path| unsafe { Shared::map_file(path) };
    assert!(map(file.path()).unwrap().is_empty());
    std::io::Write::write_all(&mut file, b"some bytes").unwrap();
    let read = Shared::read_file(file.path()).unwrap();
    let mapped = map(file.path()).unwrap();
    assert_eq!(*mapped, *b"some bytes");
    std::io::Write::write_all(&mut file, b" more").unwrap();
    assert_eq!(*read, *b"some bytes");
    assert!(!Shared::read_file("/proc/self/status").unwrap().is_empty());
    assert!(map(std::path::Path::new("/")).is_err());
    assert!(Shared::read_file("/nowhere").is_err());
}

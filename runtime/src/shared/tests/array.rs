//! Arrays in one process.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::shared::{ArrayError, SharedArray};
use crate::sync::LockError;

#[test]
fn elements_of_all_sizes_are_what_was_set() {
    fn check<T: crate::shared::Plain + PartialEq + std::fmt::Debug>(values: &[T]) {
        let array = SharedArray::from_slice(values).unwrap();
        assert_eq!(array.to_vec().unwrap(), values);
        for (index, value) in values.iter().enumerate() {
            assert_eq!(array.get(index).unwrap(), *value);
            array.set(index, values[0]).unwrap();
            assert_eq!(array.swap(index, *value).unwrap(), values[0]);
        }
        let last = values.len() - 1;
        assert_eq!(
            array
                .compare_exchange(last, values[last], values[0])
                .unwrap(),
            Ok(values[last])
        );
        assert_eq!(
            array
                .compare_exchange(last, values[last], values[0])
                .unwrap(),
            Err(values[0])
        );
        assert_eq!(array.update(last, |_| values[last]).unwrap(), values[0]);
        array.fill(values[0]).unwrap();
        assert!(
            array
                .to_vec()
                .unwrap()
                .iter()
                .all(|value| *value == values[0])
        );
    }
    check(&[false, true]);
    check(&[1_u8, 2, 255]);
    check(&[-1_i16, 2]);
    check(&[1.5_f32, -2.0]);
    check(&[1.5_f64, -2.0]);
    check(&[u64::MAX, 1]);
    check(&[u128::MAX, 1]);
    check(&[[1_u8, 2, 3], [4, 5, 6]]);
    check(&[[1.0_f64; 7], [2.0; 7]]);
}

#[test]
fn an_index_out_of_range_is_an_error_of_that_call() {
    let array = SharedArray::<u32>::new(3).unwrap();
    let error = ArrayError::OutOfRange { index: 3, len: 3 };
    assert_eq!(array.get(3), Err(error.clone()));
    assert_eq!(array.set(3, 1), Err(error.clone()));
    assert_eq!(array.fetch_add(3, 1), Err(error.clone()));
    assert_eq!(array.atomics().unwrap().get(3), Err(error));
    assert!(array.get(usize::MAX).is_err());
    assert!(array.copy_from_slice(2, &[1, 2]).is_err());
    assert!(array.copy_to_slice(usize::MAX, &mut [1, 2]).is_err());
    assert_eq!(array.to_vec().unwrap(), [0, 0, 0]);
}

#[test]
fn an_empty_array_is_an_array() {
    let array = SharedArray::<u64>::from_slice(&[]).unwrap();
    assert!(array.is_empty());
    assert!(array.to_vec().unwrap().is_empty());
    assert!(array.lock().unwrap().is_empty());
    assert!(array.split_chunks(3).unwrap().is_empty());
    let parts = array.split(1).unwrap();
    assert!(parts[0].is_empty());
}

#[test]
fn numbers_count_as_those_of_the_standard_library() {
    let array = SharedArray::from_slice(&[250_u8, 0b1100]).unwrap();
    assert_eq!(array.fetch_add(0, 10), Ok(250));
    assert_eq!(array.fetch_sub(0, 5), Ok(4));
    assert_eq!(array.fetch_max(0, 7), Ok(255));
    assert_eq!(array.fetch_min(0, 7), Ok(255));
    assert_eq!(array.get(0), Ok(7));
    assert_eq!(array.fetch_and(1, 0b0110), Ok(0b1100));
    assert_eq!(array.fetch_or(1, 0b0011), Ok(0b0100));
    assert_eq!(array.fetch_xor(1, 0b0001), Ok(0b0111));
    assert_eq!(array.get(1), Ok(0b0110));
    let floats = SharedArray::from_slice(&[1.5]).unwrap();
    assert_eq!(floats.fetch_add(0, 1.0), Ok(1.5));
    assert_eq!(floats.fetch_max(0, 1.0), Ok(2.5));
    assert_eq!(floats.get(0), Ok(2.5));
}

#[test]
fn the_lock_gives_all_elements_to_one() {
    let array = SharedArray::from_slice(&[3, 1, 2]).unwrap();
    let mut guard = array.lock().unwrap();
    assert!(matches!(
        array.try_lock(),
        Err(LockError::WouldBlock | LockError::Deadlock)
    ));
    // The attempt of its own thread has not let go of it.
    std::thread::scope(|scope| {
        let other = || array.try_lock().is_err();
        assert!(scope.spawn(other).join().unwrap());
    });
    guard.sort_unstable();
    drop(guard);
    assert_eq!(array.to_vec().unwrap(), [1, 2, 3]);
    let other = array.clone();
    let guard = array.lock().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let error = other.lock_timeout(Duration::from_millis(1)).unwrap_err();
        tell.send(matches!(error, LockError::TimedOut)).unwrap();
        other.set(0, 9)
    });
    assert!(told.recv().unwrap());
    drop(guard);
    waiting.join().unwrap().unwrap();
    assert_eq!(array.get(0), Ok(9));
}

#[test]
fn a_guard_that_a_thread_forgets_keeps_the_lock_when_the_thread_has_ended() {
    let array = SharedArray::from_slice(&[0_u64; 4]).unwrap();
    let forget = || &mut Box::leak(Box::new(array.lock().unwrap()))[..];
    let slice: &mut [u64] = std::thread::scope(|scope| scope.spawn(forget).join().unwrap());
    assert!(matches!(array.lock(), Err(LockError::Deadlock)));
    assert!(matches!(array.try_lock(), Err(LockError::WouldBlock)));
    assert_eq!(array.get(0), Err(ArrayError::Deadlock));
    slice[0] = 1;
}

#[test]
fn an_array_that_is_kept_open_is_used_though_somebody_waits_for_the_lock() {
    let array = SharedArray::from_slice(&[1_u64, 2]).unwrap();
    let open = array.atomics().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| array.lock().unwrap()[0] += 1);
        while array.core.is_readable() {
            std::thread::yield_now();
        }
        assert_eq!(array.get(0), Ok(1));
        assert_eq!(array.atomics().unwrap().get(1), Ok(2));
        let other = || array.fetch_add(1, 1);
        assert_eq!(scope.spawn(other).join().unwrap(), Ok(2));
        assert!(!waiter.is_finished());
        drop(open);
    });
    assert_eq!(array.to_vec().unwrap(), [2, 3]);
}

#[test]
#[expect(unsafe_code, reason = "the process is copied")]
fn a_copy_of_the_process_ends_no_guard_that_it_has_a_copy_of() {
    let array = SharedArray::<u64>::new(4).unwrap();
    let guard = array.lock().unwrap();
    // SAFETY: the copy drops a guard, and ends.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        drop(guard);
        // SAFETY: ends the copy without running anything of the original's.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: waits for the child of this test.
    let waited = unsafe { libc::waitpid(copy, std::ptr::null_mut(), 0) };
    assert_eq!(waited, copy);
    assert!(array.core.is_guarded());
    drop(guard);
    assert!(!array.core.is_guarded());
    drop(array.lock().unwrap());
}

#[test]
fn a_panic_poisons_until_that_is_cleared() {
    let array = SharedArray::<u8>::new(1).unwrap();
    let panicking = array.clone();
    let thread = std::thread::spawn(move || {
        let _guard = panicking.lock().unwrap();
        std::panic::resume_unwind(Box::new(()));
    });
    thread.join().unwrap_err();
    assert!(array.is_poisoned());
    let guard = array.lock().unwrap_err().recover().unwrap();
    drop(guard);
    assert!(array.lock().unwrap_err().is_poisoned());
    array.clear_poison();
    drop(array.lock().unwrap());
}

#[test]
fn parts_are_even_and_cover_the_array() {
    for len in [1, 2, 7, 100] {
        let array = SharedArray::<u32>::new(len).unwrap();
        for count in [1, 2, 3, 7, 100] {
            if count > len {
                assert!(matches!(
                    array.split(count),
                    Err(ArrayError::Parts { parts, most }) if parts == count && most == len
                ));
                continue;
            }
            let parts = array.split(count).unwrap();
            assert_eq!(parts.len(), count);
            let mut start = 0;
            for part in &parts {
                assert_eq!(part.range().start, start);
                assert!(part.len() == len / count || part.len() == len / count + 1);
                start = part.range().end;
            }
            assert_eq!(start, len);
        }
        let chunks = array.split_chunks(3).unwrap();
        let lens: Vec<_> = chunks.iter().map(|part| part.len()).collect();
        assert_eq!(lens.iter().sum::<usize>(), len);
        assert!(lens[..lens.len() - 1].iter().all(|len| *len == 3));
    }
    let array = SharedArray::<u32>::new(9).unwrap();
    assert!(array.split(0).is_err());
    assert!(array.split_chunks(0).is_err());
}

#[test]
fn a_split_array_is_used_by_its_parts_only() {
    let array = SharedArray::from_slice(&[1, 2, 3, 4, 5]).unwrap();
    let mut parts = array.split(2).unwrap();
    assert_eq!(array.get(0), Err(ArrayError::Split { out: 2 }));
    assert!(matches!(array.try_lock(), Err(LockError::Split { out: 2 })));
    assert_eq!(array.split(2).unwrap_err(), ArrayError::Split { out: 2 });
    parts[1].fill(9);
    parts[0][2] = 7;
    parts.pop();
    assert_eq!(array.outstanding_parts(), 1);
    assert!(array.set(4, 1).is_err());
    assert!(
        array
            .wait_for_parts_timeout(Duration::from_millis(1))
            .unwrap_err()
            .is_busy()
    );
    drop(parts);
    assert_eq!(array.outstanding_parts(), 0);
    assert_eq!(array.to_vec().unwrap(), [1, 2, 7, 9, 9]);
    assert!(!array.is_poisoned());
}

#[test]
fn the_lock_waits_for_parts() {
    let array = SharedArray::<u32>::new(4).unwrap();
    let parts = array.split(4).unwrap();
    let other = array.clone();
    let waiting = std::thread::spawn(move || other.lock().unwrap().fill(1));
    for mut part in parts {
        part[0] = 5;
    }
    waiting.join().unwrap();
    assert_eq!(array.to_vec().unwrap(), [1; 4]);
}

#[test]
fn threads_lose_no_count() {
    let array = SharedArray::<u32>::new(2).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..1000 {
                    array.fetch_add(round % 2, 1).unwrap();
                    if round % 100 == 0 {
                        array.lock().unwrap()[0] += 1;
                    }
                }
            });
        }
    });
    assert_eq!(array.to_vec().unwrap(), [2040, 2000]);
}

#[test]
fn elements_begin_where_their_type_wants() {
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C, align(256))]
    struct Wide([u8; 256]);
    let mut addresses = HashSet::new();
    for len in 1..20 {
        let array = SharedArray::<Wide>::new(len).unwrap();
        let guard = array.lock().unwrap();
        assert_eq!(guard.as_ptr().addr() % 256, 0);
        addresses.insert(guard[len - 1].0[255]);
    }
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C, align(8192))]
    struct TooWide([u8; 8192]);
    SharedArray::<TooWide>::new(1).unwrap_err();
    SharedArray::<u64>::new(usize::MAX / 4).unwrap_err();
}

#[derive(Debug, Clone)]
enum Step {
    Set(usize, u16),
    Swap(usize, u16),
    Add(usize, u16),
    Exchange(usize, u16, u16),
    Copy(usize, Vec<u16>),
    Reverse,
    Parts(usize),
    Chunks(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = 0..12_usize;
    let value = 0..4_u16;
    let step = prop_oneof![
        (index.clone(), value.clone()).prop_map(|(i, v)| Step::Set(i, v)),
        (index.clone(), value.clone()).prop_map(|(i, v)| Step::Swap(i, v)),
        (index.clone(), value.clone()).prop_map(|(i, v)| Step::Add(i, v)),
        (index.clone(), value.clone(), value.clone()).prop_map(|(i, a, b)| Step::Exchange(i, a, b)),
        (index.clone(), prop::collection::vec(value, 0..6)).prop_map(|(i, v)| Step::Copy(i, v)),
        Just(Step::Reverse),
        (0..12_usize).prop_map(Step::Parts),
        (0..12_usize).prop_map(Step::Chunks),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_array_does_what_a_vector_does(start in prop::collection::vec(0..4_u16, 0..10), steps in steps()) {
        let array = SharedArray::from_slice(&start).unwrap();
        let mut model = start;
        for step in steps {
            match step {
                Step::Set(index, value) => {
                    let set = model.get_mut(index).map(|element| *element = value);
                    prop_assert_eq!(array.set(index, value).ok(), set);
                }
                Step::Swap(index, value) => {
                    let before = model.get_mut(index).map(|element| std::mem::replace(element, value));
                    prop_assert_eq!(array.swap(index, value).ok(), before);
                }
                Step::Add(index, value) => {
                    let before = model.get_mut(index).map(|element| {
                        std::mem::replace(element, element.wrapping_add(value))
                    });
                    prop_assert_eq!(array.fetch_add(index, value).ok(), before);
                }
                Step::Exchange(index, current, new) => {
                    let before = model.get_mut(index).map(|element| {
                        let before = *element;
                        if before == current {
                            *element = new;
                            Ok(before)
                        } else {
                            Err(before)
                        }
                    });
                    prop_assert_eq!(array.compare_exchange(index, current, new).ok(), before);
                }
                Step::Copy(index, values) => {
                    let place = model.get_mut(index..index + values.len());
                    let copied = place.map(|place| place.copy_from_slice(&values));
                    prop_assert_eq!(array.copy_from_slice(index, &values).ok(), copied);
                }
                Step::Reverse => {
                    model.reverse();
                    array.lock().unwrap().reverse();
                }
                Step::Parts(parts) => {
                    if let Ok(parts) = array.split(parts) {
                        for mut part in parts {
                            let range = part.range();
                            let len = range.len();
                            part.rotate_left(len / 2);
                            model[range].rotate_left(len / 2);
                        }
                    }
                }
                Step::Chunks(size) => {
                    if let Ok(parts) = array.split_chunks(size) {
                        for mut part in parts.into_iter().rev() {
                            part.reverse();
                        }
                        for chunk in model.chunks_mut(size) {
                            chunk.reverse();
                        }
                    }
                }
            }
            prop_assert_eq!(&array.to_vec().unwrap(), &model);
        }
    }
}

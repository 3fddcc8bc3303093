//! Parts of arrays, each in one task.

use std::time::Duration;

use parproc::shared::ArrayError;
use parproc::{SharedArray, SharedCell, SharedPart, par_chunks_mut, par_map, parallel};
use parproc_tests::{in_time, inline_pool, pool};

#[parallel]
fn number(mut part: SharedPart<u32>) -> usize {
    let start = part.range().start as u32;
    for (number, element) in (start..).zip(part.iter_mut()) {
        *element = number;
    }
    part.len()
}

#[parallel]
fn double(numbers: &mut [u32]) {
    for number in numbers {
        *number *= 2;
    }
}

#[parallel]
fn add(by: u32, numbers: &mut [u32]) -> u32 {
    for number in &mut *numbers {
        *number += by;
    }
    numbers.iter().sum()
}

#[parallel]
fn pass_on(mut part: SharedPart<u32>) -> SharedPart<u32> {
    part.reverse();
    part
}

#[test]
fn tasks_change_their_parts_in_place() {
    for pool in [pool(2), inline_pool()] {
        let mut array = SharedArray::<u32>::new(1000).unwrap();
        let lens = pool.map(number, array.split(7).unwrap()).unwrap();
        assert_eq!(lens.iter().sum::<usize>(), 1000);
        pool.par_chunks_mut(&mut array, 10, double).unwrap();
        let doubled: Vec<u32> = (0..1000).map(|n| 2 * n).collect();
        assert_eq!(array.to_vec().unwrap(), doubled);
    }
}

#[test]
fn an_ordinary_function_of_a_slice_takes_parts() {
    let mut array = SharedArray::from_slice(&[1, 2, 3, 4, 5]).unwrap();
    par_chunks_mut(&mut array, 2, double).unwrap();
    let items = (1..).zip(array.split_chunks(2).unwrap());
    assert_eq!(par_map(add, items).unwrap(), [3 + 5, 8 + 10, 13]);
    assert_eq!(array.to_vec().unwrap(), [3, 5, 8, 10, 13]);
    let mut alone = [1, 2];
    double(&mut alone);
    assert_eq!(alone, [2, 4]);
}

#[test]
fn a_part_comes_back_as_a_result() {
    let array = SharedArray::from_slice(&[1, 2, 3, 4]).unwrap();
    let parts = pool(2).map(pass_on, array.split(2).unwrap()).unwrap();
    assert_eq!(*parts[0], [2, 1]);
    assert_eq!(array.get(0), Err(ArrayError::Split { out: 2 }));
    drop(parts);
    assert_eq!(array.to_vec().unwrap(), [2, 1, 4, 3]);
}

#[parallel]
fn sum(part: &SharedPart<u32>) -> u32 {
    part.iter().sum()
}

#[test]
fn parts_lent_as_items_can_be_used_again() {
    let array = SharedArray::from_slice(&[1, 2, 3, 4]).unwrap();
    let mut parts = array.split(2).unwrap();
    for _ in 0..2 {
        assert_eq!(pool(1).map(sum, &parts).unwrap(), [3, 7]);
    }
    parts[1][0] = 9;
    assert_eq!(pool(1).map(sum, &parts).unwrap(), [3, 13]);
    drop(parts);
    assert_eq!(array.to_vec().unwrap(), [1, 2, 9, 4]);
}

/// Ends its worker the first time, after it has changed the part by half.
#[parallel]
fn fall(attempts: SharedCell<u32>, part: &mut [u32]) {
    part[0] = 1;
    if attempts.fetch_add(1) == 0 {
        std::process::abort();
    }
    part.fill(2);
}

#[test]
fn a_part_of_a_worker_that_died_comes_back_and_the_next_holder_of_the_lock_is_told() {
    in_time(|| {
        let array = SharedArray::<u32>::new(4).unwrap();
        let attempts = SharedCell::new(0).unwrap();
        let items = array
            .split(2)
            .unwrap()
            .into_iter()
            .map(|part| (attempts.clone(), part));
        let outcomes = pool(1).outcomes(fall, items).unwrap();
        assert!(outcomes[0].as_ref().unwrap_err().is_crash());
        assert!(outcomes[1].is_ok());
        let guard = array.lock().unwrap_err().recover().unwrap();
        assert_eq!(*guard, [1, 0, 2, 2]);
        drop(guard);
        array.clear_poison();
        drop(array.lock().unwrap());
    });
}

#[test]
fn a_second_attempt_gets_the_same_part() {
    in_time(|| {
        let array = SharedArray::<u32>::new(4).unwrap();
        let attempts = SharedCell::new(0).unwrap();
        let items = array
            .split(2)
            .unwrap()
            .into_iter()
            .map(|part| (attempts.clone(), part));
        pool(1).job(fall).retries(1).for_each(items).unwrap();
        assert_eq!(attempts.load(), 3);
        assert_eq!(array.to_vec().unwrap(), [2; 4]);
    });
}

#[parallel]
fn fail(part: &mut [u32]) {
    part[0] += 1;
    assert!(part[0] != 1, "on purpose");
}

#[test]
fn an_error_of_one_piece_ends_the_call_with_all_parts_back() {
    in_time(|| {
        let mut array = SharedArray::<u32>::new(1000).unwrap();
        let error = pool(2).par_chunks_mut(&mut array, 1, fail).unwrap_err();
        assert!(error.to_string().contains("on purpose"), "{error}");
        assert_eq!(array.outstanding_parts(), 0);
        array.fill(1).unwrap();
        pool(2).par_chunks_mut(&mut array, 1, fail).unwrap();
        assert_eq!(array.to_vec().unwrap(), [2; 1000]);
    });
}

#[parallel]
fn run_for_ever(part: &mut [u32]) {
    loop {
        part[0] = part[0].wrapping_add(1);
    }
}

#[test]
fn a_task_that_runs_too_long_gives_its_part_back() {
    in_time(|| {
        let mut array = SharedArray::<u32>::new(4).unwrap();
        let pool = pool(2);
        let job = pool.job(run_for_ever).timeout(Duration::from_millis(50));
        job.par_chunks_mut(&mut array, 2).unwrap_err();
        array.fill(7).unwrap();
        assert_eq!(array.to_vec().unwrap(), [7; 4]);
    });
}

#[test]
fn parts_of_items_that_were_never_begun_are_reclaimed() {
    in_time(|| {
        let array = SharedArray::<u32>::new(100).unwrap();
        pool(1).map(fail, array.split(100).unwrap()).unwrap_err();
        array.reclaim();
        array
            .wait_for_parts_timeout(Duration::from_secs(30))
            .unwrap();
        array.set(0, 1).unwrap();
    });
}

#[test]
fn a_chunk_of_no_elements_is_an_error() {
    let mut array = SharedArray::<u32>::new(4).unwrap();
    pool(1).par_chunks_mut(&mut array, 0, double).unwrap_err();
    assert_eq!(array.get(0), Ok(0));
}

//! Elements and cells that several processes change.

use parproc::shared::ArrayError;
use parproc::{Pool, SharedArray, SharedCell, parallel};
use parproc_tests::{is_launched, pool};
use serde::{Deserialize, Serialize};

#[parallel]
fn square_at(
    index: usize,
    numbers: SharedArray<u64>,
    results: SharedArray<u64>,
) -> Result<(), ArrayError> {
    results.set(index, numbers.get(index)? * numbers.get(index)?)
}

#[test]
fn processes_each_write_an_element() {
    let numbers: Vec<u64> = (0..1000).collect();
    let numbers = SharedArray::from_slice(&numbers).unwrap();
    let results = SharedArray::new(1000).unwrap();
    let items = (0..1000).map(|index| (index, numbers.clone(), results.clone()));
    Pool::global().unwrap().try_map(square_at, items).unwrap();
    let squares: Vec<u64> = (0..1000).map(|n| n * n).collect();
    assert_eq!(results.to_vec().unwrap(), squares);
}

#[test]
fn an_index_out_of_range_is_an_error_of_that_call() {
    let numbers = SharedArray::from_slice(&[1, 2, 3]).unwrap();
    let items = (0..5).map(|index| (index, numbers.clone(), numbers.clone()));
    let outcomes = pool(2).outcomes(square_at, items).unwrap();
    let errors: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap())
        .collect();
    assert!(errors[..3].iter().all(Result::is_ok));
    assert_eq!(errors[3], Err(ArrayError::OutOfRange { index: 3, len: 3 }));
    assert_eq!(errors[4], Err(ArrayError::OutOfRange { index: 4, len: 3 }));
}

#[parallel]
fn count(counts: SharedArray<u32>, total: SharedCell<u64>, large: SharedCell<[u64; 9]>, by: u32) {
    let counting = counts.atomics().unwrap();
    for index in 0..counting.len() {
        counting.fetch_add(index, by).unwrap();
        total.fetch_add(u64::from(by));
        large.update(|words| words.map(|word| word + u64::from(by)));
    }
    drop(counting);
    counts.lock().unwrap()[0] += by;
}

#[test]
fn no_count_is_lost() {
    let counts = SharedArray::<u32>::new(100).unwrap();
    let total = SharedCell::new(0).unwrap();
    let large = SharedCell::new([0; 9]).unwrap();
    let items = (1..=20).map(|by| (counts.clone(), total.clone(), large.clone(), by));
    pool(3).for_each(count, items).unwrap();
    let counts = counts.to_vec().unwrap();
    assert_eq!(counts[0], 2 * 210);
    assert!(counts[1..].iter().all(|count| *count == 210));
    assert_eq!(total.load(), 21_000);
    assert_eq!(large.load(), [21_000; 9]);
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    arrays: Vec<SharedArray<f32>>,
    cell: Option<SharedCell<bool>>,
}

#[parallel]
fn fill(job: Job, value: f32) -> Result<Job, ArrayError> {
    for array in &job.arrays {
        array.fill(value)?;
    }
    if let Some(cell) = &job.cell {
        cell.store(true);
    }
    Ok(job)
}

#[parallel]
fn make(value: u16) -> (SharedArray<u16>, SharedCell<u16>) {
    let array = SharedArray::from_slice(&[value; 3]).unwrap();
    (array, SharedCell::new(value).unwrap())
}

#[test]
fn handles_travel_inside_of_values_and_come_back() {
    let arrays = vec![SharedArray::new(2).unwrap(), SharedArray::new(3).unwrap()];
    let job = Job {
        arrays: arrays.clone(),
        cell: Some(SharedCell::new(false).unwrap()),
    };
    let back = pool(1)
        .map(fill, [(job.clone(), 1.5), (job.clone(), 2.5)])
        .unwrap();
    let back = back[0].as_ref().unwrap();
    assert!(back.arrays[0].is_same(&arrays[0]) && !back.arrays[0].is_same(&arrays[1]));
    assert_eq!(arrays[1].to_vec().unwrap(), [2.5; 3]);
    assert!(job.cell.unwrap().load());
}

#[test]
fn what_a_task_makes_outlives_its_worker() {
    if is_launched() {
        println!("skipped: what a task of a node makes cannot leave that");
        return;
    }
    let made = {
        let pool = pool(2);
        pool.map(make, [7, 8]).unwrap()
    };
    assert_eq!(made[0].0.to_vec().unwrap(), [7; 3]);
    assert_eq!(made[1].1.load(), 8);
}

//! What tasks can ask about themselves: index, attempt, function, and a seed of their own.

use std::collections::BTreeSet;
use std::process;
use std::thread;

use parproc::{Backoff, Pool, Process, par_map, parallel, task, worker};
use parproc_tests::{Meeting, in_time, inline_pool, meet, pool};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a task knows of itself.
type About = (Option<usize>, Option<u32>, Option<String>);

fn about() -> About {
    let function = task::function().map(str::to_owned);
    (task::index(), task::attempt(), function)
}

/// As it is seen by a thread that the task starts.
fn about_elsewhere() -> About {
    thread::spawn(about).join().unwrap()
}

/// Three random numbers, and the seed, which is the same whenever and wherever it is asked for.
#[parallel]
fn draw(_item: u32) -> [u64; 4] {
    let seed = task::seed();
    assert_eq!(seed, task::seed());
    let mut random = StdRng::seed_from_u64(seed);
    [
        random.next_u64(),
        random.next_u64(),
        random.next_u64(),
        seed,
    ]
}

#[parallel]
fn draw_in_a_thread(_item: u32) -> u64 {
    thread::spawn(task::seed).join().unwrap()
}

/// Aborts at the first attempt at every third item, and panics at the first at every fifth.
#[parallel]
fn draw_late(item: u32) -> [u64; 4] {
    if task::attempt() == Some(1) {
        assert!(!item.is_multiple_of(5), "the first attempt at {item}");
        if item.is_multiple_of(3) {
            process::abort();
        }
    }
    draw(item)
}

#[parallel]
fn seed_of_none() -> u64 {
    task::seed()
}

#[parallel(name = "known as this")]
fn known() -> [About; 2] {
    [about(), about_elsewhere()]
}

#[parallel]
fn own_index(_item: usize) -> Option<usize> {
    task::index()
}

/// Waits at the meeting if it is the first item.
#[parallel]
fn first_waits(meeting: &str) -> Option<usize> {
    if task::index() == Some(0) {
        meet(meeting, 0);
    }
    task::index()
}

/// What the task knows before, in and after a call of its own.
#[parallel]
fn nested(_item: u32) -> (Vec<u64>, Vec<Option<usize>>) {
    let (index, seed) = (task::index(), task::seed());
    let inner = par_map(own_index, 0..3).unwrap();
    let seeds = Pool::global()
        .unwrap()
        .job(seed_of_none)
        .seed(1)
        .map([(); 3]);
    assert_eq!((task::index(), task::seed()), (index, seed));
    (seeds.unwrap(), inner)
}

/// What the init function of the worker knows of itself.
struct Init(About);

#[parallel]
fn keeps_what_it_knows() {
    worker::set_local(Init(about()));
}

#[parallel]
fn kept() -> Option<About> {
    worker::with_local(|Init(about)| about.clone())
}

struct Asked;

#[parallel]
impl Asked {
    fn new() -> Self {
        Self
    }

    fn about(&mut self) -> About {
        about()
    }

    fn seed(&mut self) -> u64 {
        task::seed()
    }
}

fn pools() -> Vec<Pool> {
    vec![pool(1), pool(2), pool(7), inline_pool()]
}

#[test]
fn random_numbers_are_the_same_with_any_workers_and_chunks() {
    in_time(|| {
        let expected = pool(1).job(draw).seed(42).map(0..500).unwrap();
        assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), 500);
        for pool in pools() {
            let job = || pool.job(draw).seed(42);
            assert_eq!(job().map(0..500).unwrap(), expected);
            assert_eq!(job().chunk_size(1).map(0..500).unwrap(), expected);
            assert_eq!(job().chunk_size(64).map(0..500).unwrap(), expected);
            let lazy = job().imap(0..500).unwrap().map(Result::unwrap);
            assert!(lazy.eq(expected.iter().copied()));
            for (index, result) in job().chunk_size(3).imap_unordered(0..500).unwrap() {
                assert_eq!(result.unwrap(), expected[index]);
            }
            let other = pool.job(draw).seed(43).map(0..500).unwrap();
            assert!(expected.iter().zip(&other).all(|(one, other)| one != other));
        }
    });
}

#[test]
fn random_numbers_are_the_same_in_later_attempts() {
    in_time(|| {
        let expected = pool(1).job(draw).seed(7).map(0..60).unwrap();
        for workers in [1, 2, 7] {
            let pool = pool(workers);
            let job = pool
                .job(draw_late)
                .seed(7)
                .retries(1)
                .backoff(Backoff::none());
            let again = job.retry_if(Result::is_err).map(0..60).unwrap();
            assert_eq!(again, expected);
        }
    });
}

#[test]
fn each_call_has_a_seed_of_its_own_unless_one_is_set() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let mut seeds: Vec<_> = (0..3)
                .flat_map(|_| pool.map(seed_of_none, [(); 100]).unwrap())
                .collect();
            let tasks: Vec<_> = (0..300)
                .map(|_| pool.spawn(seed_of_none, ()).unwrap())
                .collect();
            seeds.extend(tasks.into_iter().map(|task| task.join().unwrap()));
            assert_eq!(seeds.into_iter().collect::<BTreeSet<_>>().len(), 600);
        }
    });
}

#[test]
fn a_task_with_a_seed_is_the_first_item_of_a_call() {
    in_time(|| {
        let expected = pool(1).job(seed_of_none).seed(9).map([()]).unwrap()[0];
        for pool in [pool(1), inline_pool()] {
            let tasks: Vec<_> = (0..50)
                .map(|_| pool.job(seed_of_none).seed(9).spawn(()).unwrap())
                .collect();
            for task in tasks {
                assert_eq!(task.join().unwrap(), expected);
            }
        }
    });
}

#[test]
fn all_threads_of_a_task_know_its_seed() {
    in_time(|| {
        let pool = pool(2);
        let seeds = pool.job(draw).seed(3).map(0..100).unwrap();
        let seen = pool.job(draw_in_a_thread).seed(3).map(0..100).unwrap();
        assert!(seen.into_iter().eq(seeds.into_iter().map(|drawn| drawn[3])));
    });
}

#[test]
fn an_item_knows_its_index_attempt_and_name() {
    in_time(|| {
        let known_as = |index, attempt| {
            let name = "known as this".to_owned();
            (Some(index), Some(attempt), Some(name))
        };
        for pool in [pool(1), pool(2)] {
            for (index, seen) in pool.map(known, [(); 50]).unwrap().into_iter().enumerate() {
                assert_eq!(seen, [known_as(index, 1), known_as(index, 1)]);
            }
            let tasks: Vec<_> = (0..50).map(|_| pool.spawn(known, ()).unwrap()).collect();
            for task in tasks {
                assert_eq!(task.join().unwrap(), [known_as(0, 1), known_as(0, 1)]);
            }
        }
        let process = Process::spawn(known, ()).unwrap();
        assert_eq!(process.join().unwrap(), [known_as(0, 1), known_as(0, 1)]);

        let seen = inline_pool().map(known, [(); 3]).unwrap();
        for (index, [own, elsewhere]) in seen.into_iter().enumerate() {
            assert_eq!(own, known_as(index, 1));
            assert_eq!(elsewhere, (None, None, None), "only the thread knows");
        }
    });
}

#[test]
fn items_that_an_idle_worker_takes_over_keep_their_index() {
    in_time(|| {
        let meeting = Meeting::new();
        let name = meeting.name().to_owned();
        let pool = pool(2);
        let items = || std::iter::repeat_n(name.as_str(), 200);
        let mut results = pool
            .job(first_waits)
            .chunk_size(200)
            .imap_unordered(items())
            .unwrap();
        for _ in 0..199 {
            let (index, seen) = results.next().unwrap();
            assert_eq!(seen.unwrap(), Some(index));
        }
        drop(meeting.wait());
        let (index, seen) = results.next().unwrap();
        assert_eq!((index, seen.unwrap()), (0, Some(0)));
    });
}

#[test]
fn a_call_within_a_task_has_items_of_its_own() {
    in_time(|| {
        let expected = pool(1).job(seed_of_none).seed(1).map([(); 3]).unwrap();
        for pool in [pool(2), inline_pool()] {
            for (seeds, indexes) in pool.map(nested, 0..20).unwrap() {
                assert_eq!(seeds, expected);
                assert_eq!(indexes, [Some(0), Some(1), Some(2)]);
            }
        }
    });
}

#[test]
fn what_has_no_index_says_so() {
    in_time(|| {
        let counter = Asked::spawn().unwrap();
        let (index, attempt, function) = counter.about().join().unwrap();
        assert_eq!((index, attempt), (None, Some(1)));
        assert!(function.unwrap().ends_with("Asked::about"));
        let seeds = [counter.seed(), counter.seed()].map(|seed| seed.join().unwrap());
        assert_ne!(seeds[0], seeds[1]);

        for builder in [Pool::builder().workers(1), Pool::builder().inline()] {
            let pool = builder.init(keeps_what_it_knows, ()).build().unwrap();
            let (index, attempt, function) = pool.map(kept, [()]).unwrap().remove(0).unwrap();
            assert_eq!((index, attempt), (None, Some(1)));
            assert!(function.unwrap().ends_with("keeps_what_it_knows"));
        }
    });
}

#[test]
fn outside_of_tasks_nothing_is_known_and_seeds_are_random() {
    assert_eq!(about(), (None, None, None));
    assert_ne!(task::seed(), task::seed());
    assert_eq!(own_index(3), None);
    assert_ne!(seed_of_none(), seed_of_none());
}

//! Calls that run to their end: `map`, `try_map`, `for_each`, `outcomes`, and what they reject.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parproc::{Pool, TryMapError, functions, par_map, parallel};
use parproc_tests::{
    Meeting, Tally, children, in_time, inline_pool, meet, note, pool, program, role, succeeds,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    name: String,
    weights: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(f64),
    Polygon { corners: Vec<(i8, i8)> },
}

type Nested = Option<Result<Vec<Option<Shape>>, BTreeMap<String, (u8, char)>>>;

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

fn not_annotated(x: u64) -> u64 {
    x
}

#[parallel]
fn none() -> String {
    "nothing in".to_owned()
}

#[parallel]
fn two(a: u8, b: String) -> String {
    format!("{a}{b}")
}

#[parallel]
fn three(a: u8, b: &str, c: char) -> String {
    format!("{a}{b}{c}")
}

#[parallel]
fn four(a: u8, b: u16, c: u32, d: u64) -> u64 {
    u64::from(a) + u64::from(b) + u64::from(c) + d
}

#[parallel]
fn five(a: i8, b: i16, c: i32, d: i64, e: i128) -> i128 {
    i128::from(a) + i128::from(b) + i128::from(c) + i128::from(d) + e
}

#[parallel]
fn six(a: bool, b: (), c: Option<u8>, d: [u8; 3], e: Vec<String>, f: &[u8]) -> usize {
    let () = b;
    usize::from(a) + usize::from(c.is_some()) + d.len() + e.len() + f.len()
}

#[parallel]
fn seven(a: f32, b: f64, c: &Point, d: &[f64], e: &str, f: Shape, g: usize) -> (f64, String) {
    let sum = f64::from(a) + b + d.iter().sum::<f64>() + g as f64;
    (sum, format!("{} {e} {f:?}", c.name))
}

#[parallel]
#[expect(clippy::too_many_arguments, reason = "eight is the most")]
fn eight(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}

#[parallel]
fn length(text: &str) -> usize {
    text.len()
}

#[parallel]
fn byte_sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

#[parallel]
fn word_sum(words: &[u64]) -> u64 {
    words.iter().sum()
}

#[parallel]
fn moved(point: &Point, by: i32) -> Point {
    Point {
        x: point.x + by,
        ..point.clone()
    }
}

#[parallel]
fn same_shape(shape: Shape) -> Shape {
    shape
}

#[parallel]
fn same_nested(nested: Nested) -> Nested {
    nested
}

#[parallel]
fn nothing_out(path: &str, x: u32) {
    note(path, x);
}

#[parallel]
fn below_five(x: u32) -> Result<u32, String> {
    if x < 5 {
        Ok(x * 10)
    } else {
        Err(format!("{x} is too much"))
    }
}

#[parallel]
fn noted_below(path: &str, x: u32, limit: u32) -> Result<u32, u32> {
    note(path, x);
    if x < limit { Ok(x) } else { Err(x) }
}

#[parallel]
fn fails_late_then_early(meeting: &str, x: u32) -> Result<u32, u32> {
    // The first item fails only after a later one has failed.
    if x == 0 {
        meet(meeting, 0);
    }
    if x < 2 { Err(x) } else { Ok(x) }
}

#[parallel]
fn odd_panics(x: u32) -> u32 {
    assert!(x.is_multiple_of(2), "{x} is odd");
    x / 2
}

#[parallel]
fn nest(depth: u32) -> Vec<(u32, u32)> {
    let own = (depth, std::process::id());
    if depth == 0 {
        return vec![own];
    }
    let below = par_map(nest, [depth - 1; 3]).expect("a nested call");
    let mut all = below.concat();
    all.push(own);
    all
}

#[parallel]
fn nested_in_own_pool(x: u64) -> (usize, bool, Vec<u64>, usize) {
    let pool = pool(4);
    let squares = pool.map(square, 0..x).expect("a nested call");
    (pool.workers(), pool.is_inline(), squares, children().len())
}

fn points(count: i32) -> Vec<Point> {
    let point = |x| Point {
        x,
        name: format!("p{x}"),
        weights: vec![0.5; 3],
    };
    (0..count).map(point).collect()
}

#[test]
fn results_come_in_the_order_of_the_items() {
    in_time(|| {
        let squares = pool(2).map(square, 0..1000).unwrap();
        assert!(squares.into_iter().eq((0..1000).map(|x| x * x)));
    });
}

#[test]
fn the_free_function_uses_the_global_pool() {
    in_time(|| {
        assert_eq!(par_map(square, [3, 4]).unwrap(), [9, 16]);
        assert_eq!(
            Pool::global().unwrap().map(square, [5]).unwrap(),
            [25],
            "the same pool"
        );
    });
}

#[test]
fn empty_input_gives_empty_output() {
    in_time(|| {
        let pool = pool(2);
        assert_eq!(pool.map(square, []).unwrap(), []);
        assert_eq!(pool.outcomes(square, []).unwrap().len(), 0);
        assert_eq!(pool.try_map(below_five, []).unwrap(), []);
        pool.for_each(square, []).unwrap();
        assert_eq!(pool.imap(square, []).unwrap().count(), 0);
        assert_eq!(pool.imap_unordered(square, []).unwrap().count(), 0);
    });
}

#[test]
fn one_item() {
    in_time(|| assert_eq!(pool(2).map(square, [7]).unwrap(), [49]));
}

#[test]
fn a_hundred_thousand_items() {
    in_time(|| {
        let squares = pool(2).map(square, 0..100_000).unwrap();
        assert_eq!(squares.len(), 100_000);
        assert!(squares.into_iter().eq((0..100_000).map(|x| x * x)));
    });
}

#[test]
fn up_to_eight_arguments() {
    in_time(|| {
        let pool = pool(2);
        assert_eq!(pool.map(none, [(), ()]).unwrap(), ["nothing in"; 2]);
        assert_eq!(pool.map(square, [2]).unwrap(), [4]);
        assert_eq!(pool.map(two, [(1, "b".to_owned())]).unwrap(), ["1b"]);
        assert_eq!(pool.map(three, [(1, "b", 'c')]).unwrap(), ["1bc"]);
        assert_eq!(pool.map(four, [(1, 2, 3, 4)]).unwrap(), [10]);
        assert_eq!(
            pool.map(five, [(-1, -2, -3, -4, i128::MAX)]).unwrap(),
            [i128::MAX - 10]
        );
        let item = (
            true,
            (),
            Some(1),
            [0; 3],
            vec![String::new(); 2],
            &[9; 4][..],
        );
        assert_eq!(pool.map(six, [item]).unwrap(), [11]);
        let point = &points(1)[0];
        let item = (0.5, 0.25, point, &[1.0, 2.0][..], "e", Shape::Empty, 3);
        assert_eq!(
            pool.map(seven, [item]).unwrap(),
            [(6.75, "p0 e Empty".to_owned())]
        );
        assert_eq!(
            pool.map(eight, [(1, 2, 3, 4, 5, 6, 7, 8)]).unwrap(),
            [[1, 2, 3, 4, 5, 6, 7, 8]]
        );
    });
}

#[test]
fn items_may_borrow_what_lives_as_long_as_the_call() {
    in_time(|| {
        let pool = pool(2);
        let text = String::from("some words of a text");
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(pool.map(length, words).unwrap(), [4, 5, 2, 1, 4]);

        let bytes: Vec<u8> = (0..=255).collect();
        let sums = pool.map(byte_sum, bytes.chunks(64)).unwrap();
        assert_eq!(sums, [2016, 6112, 10208, 14304]);

        let numbers: Vec<u64> = (0..1000).collect();
        let sums = pool.map(word_sum, numbers.chunks(250)).unwrap();
        assert_eq!(sums.iter().sum::<u64>(), 499_500);

        let points = points(3);
        let moved = pool
            .map(moved, points.iter().map(|point| (point, 10)))
            .unwrap();
        assert_eq!(moved.iter().map(|p| p.x).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(moved[2].weights, points[2].weights);
    });
}

#[test]
fn results_of_every_kind() {
    in_time(|| {
        let pool = pool(2);
        let shapes = vec![
            Shape::Empty,
            Shape::Circle(f64::MIN_POSITIVE),
            Shape::Polygon {
                corners: vec![(1, -1), (i8::MIN, i8::MAX)],
            },
        ];
        assert_eq!(pool.map(same_shape, shapes.clone()).unwrap(), shapes);

        let table = BTreeMap::from([("é".to_owned(), (255, '\u{10ffff}'))]);
        let nested: Vec<Nested> = vec![
            None,
            Some(Err(table)),
            Some(Ok(vec![None, Some(shapes[2].clone())])),
        ];
        assert_eq!(pool.map(same_nested, nested.clone()).unwrap(), nested);

        let results: Vec<Result<u32, String>> = pool.map(below_five, [4, 5]).unwrap();
        assert_eq!(results, [Ok(40), Err("5 is too much".to_owned())]);
    });
}

#[test]
fn a_chunk_size_changes_no_result() {
    in_time(|| {
        let pool = pool(2);
        for size in [1, 7, 999, 1000, usize::MAX] {
            let squares = pool.job(square).chunk_size(size).map(0..1000).unwrap();
            assert!(squares.into_iter().eq((0..1000).map(|x| x * x)), "{size}");
        }
        // Items without bytes never fill a chunk.
        let results = pool.job(none).chunk_size(usize::MAX).map([(); 70_000]);
        assert_eq!(results.unwrap().len(), 70_000);
    });
}

#[test]
fn zero_sizes_are_rejected() {
    in_time(|| {
        let pool = pool(1);
        let error = pool.job(square).chunk_size(0).map([1]).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("chunk size"));
        let error = pool.job(square).chunk_size(0).imap([1]).unwrap_err();
        assert!(error.is_invalid());
        let error = pool.job(square).read_ahead(0).imap([1]).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("read-ahead"));
        let job = pool.job(square).read_ahead(0);
        assert!(job.imap_unordered([1]).unwrap_err().is_invalid());
        let error = Pool::builder().workers(0).build().unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("0 workers"));
        let error = Pool::builder().workers(0).inline().build().unwrap_err();
        assert!(error.is_invalid());
        assert!(Pool::builder().workers(usize::MAX).build().is_err());
    });
}

#[test]
fn a_closed_pool_says_so() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            pool.map(square, [1]).unwrap();
            pool.shutdown().unwrap();
            assert!(pool.map(square, [1]).unwrap_err().is_closed());
            assert!(pool.map(square, []).unwrap_err().is_closed());
            assert!(pool.for_each(square, [1]).unwrap_err().is_closed());
            assert!(pool.outcomes(square, [1]).unwrap_err().is_closed());
            assert!(pool.imap(square, [1]).unwrap_err().is_closed());
            assert!(pool.imap_unordered(square, [1]).unwrap_err().is_closed());
            let error = pool.spawn(square, 1).unwrap_err();
            assert!(error.is_closed() && error.to_string().contains("closed"));
            match pool.try_map(below_five, [1]).unwrap_err() {
                TryMapError::Call(error) => assert!(error.is_closed()),
                other => panic!("{other}"),
            }
        }
    });
}

#[test]
fn a_pool_that_was_closed_before_its_first_work_says_so() {
    in_time(|| {
        let pool = pool(2);
        pool.shutdown().unwrap();
        assert!(pool.map(square, [1]).unwrap_err().is_closed());
    });
}

#[test]
fn a_function_without_the_attribute_is_named_and_no_worker_starts() {
    let test = "a_function_without_the_attribute_is_named_and_no_worker_starts";
    if role().is_none() {
        succeeds(&mut program(test, "check"));
        return;
    }
    let pool = pool(2);
    let errors = [
        pool.map(not_annotated, [1]).unwrap_err(),
        pool.spawn(not_annotated, 1).unwrap_err(),
        pool.imap(not_annotated, [1]).unwrap_err(),
        pool.outcomes(not_annotated, [1]).unwrap_err(),
        inline_pool().map(not_annotated, [1]).unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(error.is_not_registered(), "{text}");
        assert!(text.contains("not_annotated"), "{text}");
        assert!(text.contains("#[parallel]"), "{text}");
    }
    assert_eq!(children(), [], "no worker was started");
}

#[test]
fn the_list_of_functions_says_what_they_are() {
    const HERE: u32 = line!();
    #[parallel(name = "listed")]
    fn listed(text: &str, count: usize) -> Vec<String> {
        vec![text.to_owned(); count]
    }

    let functions = functions().unwrap();
    let names: Vec<_> = functions.iter().map(|function| function.name()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let listed_function = functions
        .iter()
        .find(|function| function.name() == "listed");
    let info = listed_function.expect("the function is listed");
    assert_eq!(
        info.signature(),
        "fn listed(text: &str, count: usize) -> Vec<String>"
    );
    assert!(info.file().ends_with("map.rs"), "{}", info.file());
    assert_eq!(info.line(), HERE + 2);
    assert!(names.contains(&"map::square"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("not_annotated")));
    assert_eq!(listed("a", 2), ["a", "a"]);
}

#[test]
fn for_each_runs_every_item_once() {
    in_time(|| {
        let tally = Tally::new();
        let path = tally.path();
        let items = (0..300).map(|x| (path, x));
        pool(2).for_each(nothing_out, items).unwrap();
        let counts = tally.counts();
        assert_eq!(counts.len(), 300);
        assert!(counts.values().all(|count| *count == 1));
    });
}

#[test]
fn for_each_fails_as_map_does() {
    in_time(|| {
        let error = pool(2).for_each(odd_panics, 0..10).unwrap_err();
        assert_eq!(error.task().unwrap().index(), 1);
    });
}

#[test]
fn map_gives_the_error_of_the_first_item_that_failed() {
    in_time(|| {
        let pool = pool(2);
        for _ in 0..20 {
            let error = pool.map(odd_panics, 0..100).unwrap_err();
            let task = error.task().expect("an item failed");
            assert_eq!((task.index(), task.function()), (1, "map::odd_panics"));
            assert_eq!(task.panic_message(), Some("1 is odd"));
        }
        assert_eq!(pool.map(odd_panics, [0, 2]).unwrap(), [0, 1]);
    });
}

#[test]
fn try_map_gives_the_values_when_all_is_well() {
    in_time(|| {
        let values = pool(2).try_map(below_five, 0..5).unwrap();
        assert_eq!(values, [0, 10, 20, 30, 40]);
    });
}

#[test]
fn try_map_stops_at_the_first_err() {
    in_time(|| {
        let pool = pool(2);
        let tally = Tally::new();
        let path = tally.path();
        let items = (0..20_000).map(|x| (path, x, 5));
        let job = pool.job(noted_below).chunk_size(1);
        match job.try_map(items).unwrap_err() {
            TryMapError::Item { index, error } => assert_eq!((index, error), (5, 5)),
            other => panic!("{other}"),
        }
        let counts = tally.counts();
        assert!((6..1000).contains(&counts.len()), "{} ran", counts.len());
        assert!(counts.values().all(|count| *count == 1), "none ran twice");
    });
}

#[test]
fn try_map_over_an_endless_iterator_ends_at_the_first_err() {
    in_time(|| {
        let error = pool(2).try_map(below_five, 0..).unwrap_err();
        assert_eq!(error.index(), Some(5));
    });
}

#[test]
fn try_map_gives_the_first_err_by_index_and_not_by_time() {
    in_time(|| {
        let meeting = Meeting::new();
        let name = meeting.name().to_owned();
        let call = std::thread::spawn(move || {
            let items = (0..100).map(|x| (name.as_str(), x));
            let pool = pool(2);
            pool.job(fails_late_then_early).chunk_size(1).try_map(items)
        });
        // Item 1 fails in the other worker, meanwhile or not: the result must be the same.
        drop(meeting.wait());
        assert_eq!(call.join().unwrap().unwrap_err().index(), Some(0));
    });
}

#[test]
fn try_map_tells_a_panic_from_an_err() {
    #[parallel]
    fn err_or_panic(x: u32) -> Result<u32, String> {
        assert!(x != 3, "three");
        if x == 6 { Err("six".to_owned()) } else { Ok(x) }
    }
    in_time(|| {
        let pool = pool(2);
        match pool.try_map(err_or_panic, 0..10).unwrap_err() {
            TryMapError::Call(error) => {
                let task = error.task().expect("an item panicked");
                assert_eq!((task.index(), task.panic_message()), (3, Some("three")));
            }
            other => panic!("{other}"),
        }
        assert_eq!(
            pool.try_map(err_or_panic, 4..10).unwrap_err().index(),
            Some(2)
        );
    });
}

#[test]
fn a_hundred_bad_items_between_a_hundred_good_ones() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let outcomes = pool.outcomes(odd_panics, 0..200).unwrap();
            assert_eq!(outcomes.len(), 200);
            for (x, outcome) in (0..).zip(outcomes) {
                match outcome {
                    Ok(half) => assert_eq!(half * 2, x),
                    Err(error) => {
                        assert!(error.is_panic());
                        assert_eq!(error.index(), x as usize);
                        assert_eq!(error.panic_message(), Some(&*format!("{x} is odd")));
                    }
                }
            }
        }
    });
}

#[test]
fn an_iterator_that_panics_leaves_the_pool_usable() {
    in_time(|| {
        let pool = pool(2);
        for at in [0, 1, 50, 999] {
            let items = (0..1000).inspect(|x| assert_ne!(*x, at, "no item {at}"));
            let call = AssertUnwindSafe(|| pool.map(square, items));
            let payload = catch_unwind(call).unwrap_err();
            let message = payload.downcast_ref::<String>().expect("a message");
            assert!(message.contains(&format!("no item {at}")), "{message}");
            assert_eq!(pool.map(square, [3]).unwrap(), [9]);
        }
        pool.shutdown().unwrap();
    });
}

#[test]
fn items_may_come_from_another_call_of_the_same_pool() {
    in_time(|| {
        let pool = pool(2);
        let inner = pool.imap(square, 0..200).unwrap();
        let outer = pool.map(square, inner.map(Result::unwrap)).unwrap();
        assert!(outer.into_iter().eq((0..200_u64).map(|x| x.pow(4))));

        let items = (0..20).map(|x| pool.map(square, [x]).unwrap()[0]);
        assert_eq!(pool.map(square, items).unwrap()[19], 19_u64.pow(4));
    });
}

#[test]
fn calls_of_many_threads_do_not_mix() {
    in_time(|| {
        let pool = pool(2);
        std::thread::scope(|scope| {
            for thread in 0..10_u64 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..20 {
                        let start = thread * 1_000_000 + round * 1000;
                        let squares = pool.map(square, start..start + 200).unwrap();
                        assert!(squares.into_iter().eq((start..start + 200).map(|x| x * x)));
                    }
                });
            }
        });
    });
}

#[test]
fn nested_calls_run_in_the_worker_that_makes_them() {
    in_time(|| {
        let pool = pool(2);
        let all = pool.map(nest, [3, 3]).unwrap();
        for tree in all {
            assert_eq!(tree.len(), 1 + 3 + 9 + 27);
            let (_, pid) = tree[0];
            assert_ne!(pid, std::process::id());
            assert!(tree.iter().all(|(_, other)| *other == pid), "{tree:?}");
        }
    });
}

#[test]
fn a_pool_made_in_a_worker_starts_no_process() {
    in_time(|| {
        for (workers, inline, squares, children) in pool(2).map(nested_in_own_pool, [5, 5]).unwrap()
        {
            assert_eq!((workers, inline, children), (1, true, 0));
            assert_eq!(squares, [0, 1, 4, 9, 16]);
        }
    });
}

#[test]
fn inline_pools_give_the_same_results() {
    in_time(|| {
        let pool = inline_pool();
        assert!(pool.is_inline());
        assert_eq!(pool.map(square, 0..5).unwrap(), [0, 1, 4, 9, 16]);
        let job = pool.job(square).chunk_size(3);
        assert_eq!(job.map(0..5).unwrap(), [0, 1, 4, 9, 16]);
        let points = points(2);
        let items = points.iter().map(|point| (point, -1));
        assert_eq!(pool.map(moved, items).unwrap()[0].x, -1);
        assert_eq!(pool.try_map(below_five, 0..9).unwrap_err().index(), Some(5));
        assert_eq!(pool.spawn(square, 6).unwrap().join().unwrap(), 36);
        assert_eq!(pool.map(nest, [1]).unwrap()[0].len(), 4);
        pool.shutdown().unwrap();
    });
}

#[test]
fn workers_are_started_when_there_is_work_for_them() {
    #[parallel]
    fn waits(meeting: &str) {
        meet(meeting, 0);
    }
    if role().is_none() {
        succeeds(&mut program(
            "workers_are_started_when_there_is_work_for_them",
            "count",
        ));
        return;
    }
    in_time(|| {
        let pool = pool(8);
        assert_eq!(children().len(), 0);
        assert_eq!(pool.map(square, [1]).unwrap(), [1]);
        assert_eq!(children().len(), 1, "one item needs no more");
        assert_eq!(pool.map(square, [2]).unwrap(), [4]);
        assert_eq!(children().len(), 1, "it is used again");
        let meeting = Meeting::new();
        let spawn = |_| pool.spawn(waits, meeting.name()).unwrap();
        let tasks: Vec<_> = (0..3).map(spawn).collect();
        let guests: Vec<_> = tasks.iter().map(|_| meeting.wait()).collect();
        assert_eq!(children().len(), 3, "as many as there are tasks");
        drop(guests);
        assert!(tasks.into_iter().all(|task| task.join().is_ok()));
        drop(pool);
        assert_eq!(children().len(), 0);
    });
}

#[test]
fn the_first_calls_of_many_threads_share_the_global_pool() {
    if role().is_none() {
        let test = "the_first_calls_of_many_threads_share_the_global_pool";
        succeeds(program(test, "share").env("PARPROC_WORKERS", "2"));
        return;
    }
    in_time(|| {
        std::thread::scope(|scope| {
            for x in 0..10 {
                scope.spawn(move || assert_eq!(par_map(square, [x]).unwrap(), [x * x]));
            }
        });
        assert!(children().len() <= 2);
    });
}

#[test]
fn an_iterator_that_promises_too_much_costs_no_memory() {
    /// Sixteen million of these are more than there is.
    #[parallel]
    fn large(x: u64) -> Result<[[u64; 32]; 32], u64> {
        if x < 5 { Ok([[x; 32]; 32]) } else { Err(x) }
    }
    if role().is_none() {
        let test = "an_iterator_that_promises_too_much_costs_no_memory";
        succeeds(&mut program(test, "promise"));
        return;
    }
    in_time(|| {
        let pool = pool(2);
        let error = pool.try_map(large, 0..u64::MAX).unwrap_err();
        assert_eq!(error.index(), Some(5));
        let items = (0..u64::MAX).map(|x| if x < 5 { x } else { panic!("no more") });
        assert!(catch_unwind(AssertUnwindSafe(|| pool.outcomes(large, items))).is_err());
    });
}

//! The standard test harness, doctests and benches: a worker is caught before them as well.

use crate::programs::cargo;

#[test]
fn tests_and_doctests_run_once() {
    let package = ["test", "--package=harness"];
    let options = ["--", "--include-ignored", "--nocapture"];
    let ended = cargo(&[&package[..], &options].concat());
    let count = |text| ended.stdout.matches(text).count();
    // One harness for the tests, and one for each kind of doctest.
    assert_eq!(
        count("test result: ok. 2 passed; 0 failed;"),
        1,
        "{ended:?}"
    );
    assert_eq!(
        count("test result: ok. 1 passed; 0 failed;"),
        2,
        "{ended:?}"
    );
    assert_eq!(count("running "), 3, "{ended:?}");
    assert_eq!(count("the test's body"), 1, "{ended:?}");
}

#[test]
fn a_bench_runs_once() {
    let ended = cargo(&["bench", "--package=harness", "--bench=calls"]);
    assert_eq!(
        ended.stdout,
        "the bench's main\n5 squares from workers true\n"
    );
}

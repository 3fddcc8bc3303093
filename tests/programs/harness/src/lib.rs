//! Calls functions in workers from a test, from a doctest, and from a bench.

use parproc::parallel;

/// The square, and the process that computed it.
///
/// ```
/// let squares = parproc::par_map(harness::square, 0..5)?;
/// for (x, (square, pid)) in (0..).zip(squares) {
///     assert_eq!(square, x * x);
///     assert_ne!(pid, std::process::id());
/// }
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// The first one is compiled together with others; this one is a program of its own:
///
/// ```standalone_crate
/// let squares = parproc::par_map(harness::square, 0..5)?;
/// assert!(squares.iter().all(|(_, pid)| *pid != std::process::id()));
/// # Ok::<(), parproc::Error>(())
/// ```
#[parallel]
pub fn square(x: u64) -> (u64, u32) {
    (x * x, std::process::id())
}

#[test]
fn squares_come_from_workers() {
    println!("the test's body");
    for (x, (square, pid)) in (0..).zip(parproc::par_map(square, 0..5).unwrap()) {
        assert_eq!(square, x * x);
        assert_ne!(pid, std::process::id());
    }
}

/// The gate comes before the harness of a filtered or ignored test, too.
#[test]
#[ignore = "is run by name"]
fn a_task_is_defined_in_the_test_itself() {
    #[parallel]
    fn pid(_: ()) -> u32 {
        std::process::id()
    }

    assert_ne!(parproc::par_map(pid, [()]).unwrap(), [std::process::id()]);
}

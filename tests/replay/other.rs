//! A program of another build than the tests of saved inputs, with some of their functions.

use parproc::parallel;

/// As there, but mended.
#[parallel(name = "replay::stumbles")]
fn stumbles(numbers: Vec<u64>) -> u64 {
    numbers.iter().sum()
}

/// With another signature than there.
#[parallel(name = "replay::checks")]
fn checks(path: String) -> Result<u32, String> {
    Err(path)
}

fn main() {
    assert_eq!(
        (stumbles(vec![1]), checks(String::new()).is_err()),
        (1, true)
    );
    println!("main was entered");
}

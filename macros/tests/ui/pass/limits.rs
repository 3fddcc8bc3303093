// Limits, in any order with the other options and wherever the attribute stands.

use parproc::parallel;

#[parallel(timeout = "500ms", memory_limit = "1.5GiB", retries = 3, memory_growth = 2.0)]
fn all(x: u8) -> u8 {
    x
}

#[parallel(memory_growth = 2, for(T = [u8, String]), retries = 0, name = "mixed", timeout = "1min 30s")]
fn mixed<T>(item: T) -> T {
    item
}

struct Block;

#[parallel(retries = 1, crate = ::parproc, memory_limit = "64 MB")]
impl Block {
    fn defaults() {}

    #[parallel(timeout = "1s", retries = 0)]
    fn own() {}
}

macro_rules! with_timeout {
    ($timeout:literal) => {
        #[parallel(timeout = $timeout)]
        fn handed_on() {}
    };
}

with_timeout!("2s");

fn main() {
    all(mixed(1));
    Block::defaults();
    Block::own();
    handed_on();
}

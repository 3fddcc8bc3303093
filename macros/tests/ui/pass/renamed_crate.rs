// The runtime crate under another name, and behind a re-export.

extern crate parproc as renamed;

use renamed::parallel;

mod framework {
    pub mod process {
        #[doc(hidden)]
        pub use parproc::__private;
    }
}

#[parallel(crate = renamed)]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel(crate = crate::framework::process, name = "cube")]
fn cube(x: u64) -> u64 {
    x * x * x
}

struct Counter;

#[parallel(crate = framework::process)]
impl Counter {
    fn count(from: u8) -> u8 {
        let Counter = Counter;
        from
    }
}

fn main() {}

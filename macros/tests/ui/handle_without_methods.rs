use parproc::parallel;

struct Counter;

#[parallel(handle = "Handle")]
impl Counter {
    fn count() -> u32 {
        1
    }
}

fn main() {}

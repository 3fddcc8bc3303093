use parproc::parallel;

struct Counter;

#[parallel(handle = "my handle")]
impl Counter {
    fn new() -> Self {
        Counter
    }

    fn count(&self) -> u32 {
        1
    }
}

fn main() {}

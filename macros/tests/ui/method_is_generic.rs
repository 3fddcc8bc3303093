use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter
    }

    fn count<T: serde::Serialize>(&self, _of: T) -> u32 {
        1
    }
}

fn main() {}

use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter
    }

    fn count(self) -> u32 {
        1
    }

    fn boxed(self: Box<Self>) -> u32 {
        1
    }
}

fn main() {}

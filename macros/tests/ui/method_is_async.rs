use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter
    }

    async fn count(&self) -> u32 {
        1
    }
}

fn main() {}

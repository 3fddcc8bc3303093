use parproc::parallel;

struct Counter;

impl Counter {
    #[parallel]
    fn count(&self) -> u32 {
        1
    }
}

fn main() {}

use parproc::parallel;

struct Mistake;
struct Counter;

#[parallel]
impl Counter {
    fn new() -> Result<Self, Mistake> {
        Ok(Counter)
    }

    fn count(&self) -> u32 {
        1
    }
}

fn main() {}

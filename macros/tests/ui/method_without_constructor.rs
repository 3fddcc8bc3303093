use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    fn count(&mut self) -> u32 {
        1
    }
}

fn main() {}

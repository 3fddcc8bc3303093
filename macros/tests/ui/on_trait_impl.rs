use parproc::parallel;

struct Counter;

#[parallel]
impl Default for Counter {
    fn default() -> Self {
        Counter
    }
}

fn main() {}

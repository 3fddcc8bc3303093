use parproc::parallel;

struct Counter;

impl Counter {
    #[parallel]
    fn count(_: Self) -> u32 {
        1
    }
}

fn main() {}

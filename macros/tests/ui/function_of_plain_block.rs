use parproc::parallel;

struct Counter;

impl Counter {
    #[parallel]
    fn count(from: u32) -> u32 {
        from + 1
    }
}

fn main() {}

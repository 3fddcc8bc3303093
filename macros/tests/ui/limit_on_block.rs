use parproc::parallel;

struct Counter;

#[parallel(memory_limit = "much")]
impl Counter {
    fn count(from: u32) -> u32 {
        from + 1
    }
}

fn main() {}

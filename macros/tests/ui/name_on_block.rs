use parproc::parallel;

struct Counter;

#[parallel(name = "counter")]
impl Counter {
    fn count(from: u32) -> u32 {
        from + 1
    }
}

fn main() {}

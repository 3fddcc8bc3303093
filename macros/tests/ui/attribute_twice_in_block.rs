use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    #[parallel]
    #[parallel]
    fn count(from: u32) -> u32 {
        from + 1
    }
}

fn main() {}

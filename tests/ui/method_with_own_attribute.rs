use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    #[parallel(name = "count")]
    fn count(self) -> u32 {
        1
    }
}

fn main() {}

use parproc::parallel;

struct Counter;

#[parallel(timeout = "2s")]
impl Counter {
    #[parallel(timeout = "soon")]
    fn count(from: u32) -> u32 {
        from + 1
    }
}

fn main() {}

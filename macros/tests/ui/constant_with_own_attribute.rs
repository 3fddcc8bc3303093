use parproc::parallel;

struct Counter;

#[parallel]
impl Counter {
    #[parallel]
    const FIRST: u32 = 1;
}

fn main() {}

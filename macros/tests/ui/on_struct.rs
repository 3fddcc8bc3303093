use parproc::parallel;

#[parallel]
struct Counter {
    count: u32,
}

fn main() {}

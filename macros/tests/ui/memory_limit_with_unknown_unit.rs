use parproc::parallel;

#[parallel(memory_limit = "512 pages")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

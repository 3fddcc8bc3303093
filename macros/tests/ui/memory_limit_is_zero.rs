use parproc::parallel;

#[parallel(memory_limit = "0MiB")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

use parproc::parallel;

#[parallel(retries = -1)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

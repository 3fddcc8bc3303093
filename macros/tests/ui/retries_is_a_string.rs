use parproc::parallel;

#[parallel(retries = "3")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

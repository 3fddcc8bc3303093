use parproc::parallel;

#[parallel(timeout = "1000 years")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

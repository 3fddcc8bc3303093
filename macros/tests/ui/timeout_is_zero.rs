use parproc::parallel;

#[parallel(timeout = "0s")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

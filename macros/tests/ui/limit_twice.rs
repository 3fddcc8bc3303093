use parproc::parallel;

#[parallel(timeout = "1s", timeout = "2s")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

use parproc::parallel;

#[parallel(timeout = "2 blinks")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

use parproc::parallel;

#[parallel(timeout = "2")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

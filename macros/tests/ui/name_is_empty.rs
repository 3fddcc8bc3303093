use parproc::parallel;

#[parallel(name = "")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

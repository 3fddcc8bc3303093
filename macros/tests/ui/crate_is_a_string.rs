use parproc::parallel;

#[parallel(crate = "parproc")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

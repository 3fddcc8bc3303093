use parproc::parallel;

#[parallel(timeout)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

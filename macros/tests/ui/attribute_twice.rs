use parproc::parallel;

#[parallel]
#[parallel]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

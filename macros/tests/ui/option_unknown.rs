use parproc::parallel;

#[parallel(priority = 3)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

use parproc::parallel;

#[parallel(name = "square", name = "power")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

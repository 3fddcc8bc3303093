use parproc::parallel;

#[parallel(name = "square" crate = parproc)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

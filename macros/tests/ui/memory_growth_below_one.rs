use parproc::parallel;

#[parallel(memory_growth = 0.5)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

use parproc::parallel;

#[parallel(memory_growth = "2")]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

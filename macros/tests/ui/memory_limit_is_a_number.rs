use parproc::parallel;

#[parallel(memory_limit = 536_870_912)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

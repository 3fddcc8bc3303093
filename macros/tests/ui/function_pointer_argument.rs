use parproc::parallel;

#[parallel]
fn apply(step: fn(u32) -> u32) -> u32 {
    step(1)
}

fn main() {}

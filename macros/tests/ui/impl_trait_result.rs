use parproc::parallel;

#[parallel]
fn numbers(end: u32) -> impl Iterator<Item = u32> {
    0..end
}

fn main() {}

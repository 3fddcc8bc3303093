use parproc::parallel;

#[parallel]
fn sort(_: Option<&mut Vec<u32>>) {}

fn main() {}

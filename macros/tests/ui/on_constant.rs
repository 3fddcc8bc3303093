use parproc::parallel;

#[parallel]
const SQUARE: fn(u32) -> u32 = |x| x * x;

fn main() {}

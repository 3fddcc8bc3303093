use parproc::parallel;

#[parallel(crate = ::elsewhere)]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

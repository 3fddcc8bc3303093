use parproc::parallel;

#[parallel(for(U = [u32]))]
fn square(x: u32) -> u32 {
    x * x
}

fn main() {}

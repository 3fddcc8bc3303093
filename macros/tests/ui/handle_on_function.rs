use parproc::parallel;

#[parallel(handle = "Handle")]
fn count() -> u32 {
    1
}

fn main() {}

use parproc::parallel;

#[parallel]
fn total(a: u8, #[cfg(all())] b: u8) -> u8 {
    a + b
}

fn main() {}

use parproc::parallel;

#[parallel]
unsafe extern "C" fn print(format: u8, arguments: ...) {}

fn main() {}

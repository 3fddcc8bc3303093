use parproc::parallel;

#[parallel]
unsafe fn read(address: usize) -> usize {
    address
}

fn main() {}

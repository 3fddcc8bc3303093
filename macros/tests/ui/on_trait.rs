use parproc::parallel;

#[parallel]
trait Count {
    fn count(from: u32) -> u32;
}

fn main() {}

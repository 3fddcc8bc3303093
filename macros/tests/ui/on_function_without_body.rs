use parproc::parallel;

trait Count {
    #[parallel]
    fn count(from: u32) -> u32;
}

fn main() {}

use parproc::parallel;

#[parallel]
mod tasks {
    fn square(x: u32) -> u32 {
        x * x
    }
}

fn main() {}

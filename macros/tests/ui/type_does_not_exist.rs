use parproc::parallel;

#[parallel]
fn size(image: Image) -> usize {
    1
}

fn main() {}

use parproc::parallel;

struct Image(Vec<u8>);

#[parallel]
fn size(images: &[Image]) -> usize {
    images.len()
}

fn main() {}

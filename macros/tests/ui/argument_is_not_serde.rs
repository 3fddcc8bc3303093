use parproc::parallel;

struct Image(Vec<u8>);

#[parallel]
fn size(image: Image) -> usize {
    image.0.len()
}

fn main() {}

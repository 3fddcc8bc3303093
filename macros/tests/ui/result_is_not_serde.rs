use parproc::parallel;

struct Image(Vec<u8>);

#[parallel]
fn load(size: usize) -> Image {
    Image(vec![0; size])
}

fn main() {}

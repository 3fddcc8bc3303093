use parproc::SharedCell;
use parproc::bytemuck::{Pod, Zeroable};

#[derive(Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "parproc::bytemuck")]
#[repr(C)]
struct Padded {
    small: u8,
    large: u64,
}

fn main() {
    let _ = SharedCell::new(Padded { small: 1, large: 2 });
}

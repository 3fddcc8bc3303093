use parproc::Shared;

fn main() {
    let mut values = Shared::<[u8]>::from_slice(&[1, 2, 3]).unwrap();
    values[0] = 4;
}

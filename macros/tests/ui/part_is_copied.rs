use parproc::SharedArray;

fn main() {
    let array = SharedArray::<u8>::new(10).unwrap();
    let parts = array.split(2).unwrap();
    let _ = parts[0].clone().fill(1);
    let _ = parts.clone();
}

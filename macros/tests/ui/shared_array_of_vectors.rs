use parproc::SharedArray;

fn main() {
    let _ = SharedArray::<Vec<u8>>::new(10);
}

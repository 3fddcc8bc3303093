use parproc::SharedArray;

fn main() {
    let _ = SharedArray::<char>::new(10);
}

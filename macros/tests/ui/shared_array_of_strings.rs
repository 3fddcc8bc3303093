use parproc::SharedArray;

fn main() {
    let _ = SharedArray::<String>::new(10);
}

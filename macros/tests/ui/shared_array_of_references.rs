use parproc::SharedArray;

fn main() {
    let _ = SharedArray::<&str>::new(10);
}

use parproc::SharedArray;

fn main() {
    let _ = SharedArray::<*const u8>::new(10);
}

use parproc::SharedArray;

fn main() {
    let array = SharedArray::<u8>::new(10).unwrap();
    let guard = array.lock().unwrap();
    std::thread::scope(|scope| scope.spawn(move || drop(guard)));
}

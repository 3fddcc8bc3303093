use parproc::SharedCell;

#[derive(Clone, Copy)]
#[repr(u8)]
enum Color {
    Red,
    Blue,
}

fn main() {
    let _ = SharedCell::new(Color::Red);
    let _ = Color::Blue;
}

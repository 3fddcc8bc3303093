use parproc::parallel;

struct Item;
struct Counter;

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter
    }

    fn take(&mut self) -> Item {
        Item
    }
}

fn main() {}

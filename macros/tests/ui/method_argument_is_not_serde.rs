use parproc::parallel;

struct Item;
struct Counter;

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter
    }

    fn count(&mut self, _item: Item) -> u32 {
        1
    }
}

fn main() {}

use parproc::{Pool, parallel};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Counter;

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter
    }

    fn add(&mut self, n: u32) -> u32 {
        n
    }
}

fn main() {
    let pool = Pool::builder().build().unwrap();
    let _ = pool.spawn(Counter::add, (Counter, 1));
}

//! Starts its workers only when it has read a line.

use parproc::{Pool, parallel};

#[parallel]
fn square(x: u64) -> (u64, u32) {
    (x * x, std::process::id())
}

fn main() {
    println!("waiting");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let pool = Pool::builder().workers(2).build().unwrap();
    for (square, pid) in pool.map(square, 0..3).unwrap() {
        println!("{square} from a worker {}", pid != std::process::id());
    }
}

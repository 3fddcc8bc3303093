//! Counts its threads and children: before it uses a pool, after a call that is refused, and after
//! one that is not.

use parproc::{Pool, parallel};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

fn census() -> String {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let threads: Vec<_> = threads.map(|thread| thread.unwrap().path()).collect();
    let children = threads.iter().map(|thread| {
        let children = std::fs::read_to_string(thread.join("children")).unwrap();
        children.split_whitespace().count()
    });
    format!(
        "{} threads, {} children",
        threads.len(),
        children.sum::<usize>()
    )
}

fn main() {
    println!("at first: {}", census());
    let pool = Pool::builder().workers(1).build().unwrap();
    println!("refused: {}", pool.map(dep::plain, 0..5).unwrap_err());
    println!("after that: {}", census());
    println!("squares {:?}", pool.map(square, 0..5).unwrap());
    println!("at last: {}", census());
}

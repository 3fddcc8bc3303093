//! A program whose parproc is in a shared library; it prints what `init` is for.

use parproc::{Pool, parallel};

use shared as _;

#[parallel]
fn square(x: u64) -> (u64, bool) {
    (x * x, std::env::args().any(|argument| argument == "init"))
}

fn main() {
    if std::env::args().any(|argument| argument == "init") {
        parproc::init();
    }
    println!("main");
    match Pool::builder().workers(2).build() {
        Ok(pool) => println!("squares {:?}", pool.map(square, 0..5)),
        Err(error) => println!("foreign {} {error}", error.is_foreign_host()),
    }
}

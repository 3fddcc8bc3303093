//! Ends as its argument says, after workers were used; it prints at its beginning and before its end.

use parproc::{Pool, parallel};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

fn main() {
    println!("main begins");
    let pool = Pool::builder().workers(2).build().unwrap();
    println!("squares {:?}", pool.map(square, 0..5).unwrap());
    match std::env::args().nth(1).as_deref() {
        Some("exit") => std::process::exit(3),
        Some("panic") => panic!("main is through"),
        _ => println!("main ends"),
    }
}

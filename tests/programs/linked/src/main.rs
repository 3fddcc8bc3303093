//! A program whose parproc is in a shared library. With the argument `init` it calls what that needs.

use parproc::{Pool, Result, parallel};

use shared as _;

#[parallel]
fn square(x: u64) -> (u64, u32) {
    (x * x, std::process::id())
}

fn squares() -> Result<(Vec<u64>, Vec<u32>)> {
    let pool = Pool::builder().workers(2).build()?;
    Ok(pool.map(square, 0..5)?.into_iter().unzip())
}

fn main() {
    if std::env::args().any(|argument| argument == "init") {
        parproc::init();
    }
    println!("main");
    match squares() {
        Ok((squares, pids)) => {
            let elsewhere = !pids.contains(&std::process::id());
            println!("squares {squares:?} from workers {elsewhere}");
        }
        Err(error) => println!("foreign host {}: {error}", error.is_foreign_host()),
    }
}

//! Calls functions of its own, of a dependency and of C++ libraries in workers, and prints the results.

use parproc::{Pool, parallel};

use extra as _;

unsafe extern "C" {
    safe fn first_object() -> u32;
    safe fn last_object() -> u32;
}

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn objects(_: ()) -> (u32, u32, u32) {
    (first_object(), last_object(), std::process::id())
}

fn main() -> parproc::Result<()> {
    let checks = if cfg!(debug_assertions) {
        "checked"
    } else {
        "unchecked"
    };
    let panics = if cfg!(panic = "abort") {
        "abort"
    } else {
        "unwind"
    };
    println!("{checks}, panics {panics}");
    let pool = Pool::builder().workers(2).build()?;
    println!("squares {:?}", pool.map(square, 0..5)?);
    println!("triples {:?}", pool.map(dep::triple, 0..5)?);
    for (first, last, pid) in pool.map(objects, [()])? {
        let here = pid == std::process::id();
        println!("objects {first} {last}, in the same process {here}");
    }
    let names: Vec<_> = parproc::functions()?.iter().map(|f| f.name()).collect();
    println!("functions {names:?}");
    Ok(())
}

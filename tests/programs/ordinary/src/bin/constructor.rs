//! A constructor that ends the process, in workers only, in the way that the argument names.

use std::ffi::{c_char, c_int};

use parproc::{Pool, parallel};

const MARKER: &str = "END_IN_CONSTRUCTOR";

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = constructor;

extern "C" fn constructor(_: c_int, _: *const *const c_char, _: *const *const c_char) {
    let Ok(marker) = std::env::var(MARKER) else {
        return;
    };
    eprintln!("constructor");
    match marker.as_str() {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(7),
        _ => {}
    }
}

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

fn main() {
    let ending = std::env::args().nth(1).unwrap();
    // SAFETY: this is the only thread.
    unsafe { std::env::set_var(MARKER, ending) };
    let pool = Pool::builder().workers(2).build().unwrap();
    // A pool that gave up tries again when it is asked again.
    for _ in 0..2 {
        match pool.map(square, 0..5) {
            Ok(squares) => println!("squares {squares:?}"),
            Err(error) => println!("start {}: {error}", error.is_start()),
        }
    }
}

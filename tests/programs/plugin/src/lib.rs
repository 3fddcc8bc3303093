//! A plugin in C's ways, for a host that knows nothing of parproc.

use parproc::{Pool, par_map, parallel};

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[unsafe(no_mangle)]
pub extern "C" fn plugin_run() {
    match par_map(square, 0..5) {
        Ok(squares) => println!("squares {squares:?}"),
        Err(error) => println!("foreign host {}: {error}", error.is_foreign_host()),
    }
    let inline = Pool::builder().inline().build();
    println!(
        "inline {:?}",
        inline.and_then(|pool| pool.map(square, 0..5))
    );
}

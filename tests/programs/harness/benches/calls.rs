//! A bench without the standard harness.

fn main() {
    println!("the bench's main");
    let squares = parproc::par_map(harness::square, 0..5).unwrap();
    let elsewhere = squares.iter().all(|(_, pid)| *pid != std::process::id());
    println!("{} squares from workers {elsewhere}", squares.len());
}

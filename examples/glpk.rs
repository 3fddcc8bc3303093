//! Where to build warehouses as fuel gets dearer: a solver in C that serves one caller at a time.
//!
//! `cargo run --release --example glpk`, with Debian's package `libglpk-dev`.
//!
//! A warehouse costs rent, and to supply a town from it costs fuel. For each price of fuel GLPK finds the warehouses
//! that make both together cheapest. It is made for programs with one thread, and ends the process
//! of who uses it wrongly. Every worker has it to itself, so several models are solved at once, and a
//! mistake with one of them costs that one alone. It prints what each plan costs and which places
//! get a warehouse: the dearer the fuel, the more of them; and what GLPK said to the mistake.

#[cfg(glpk)]
mod warehouses;

#[cfg(glpk)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    warehouses::plan_all()
}

#[cfg(not(glpk))]
fn main() -> Result<(), &'static str> {
    Err("this example needs the library GLPK; on Debian: apt-get install libglpk-dev")
}

// Nothing of the expansion depends on what is in scope.

#![no_implicit_prelude]
#![forbid(unsafe_code)]

mod core {}
mod std {}
mod serde {}
mod inventory {}
mod parproc {}

#[allow(dead_code)]
struct Option;
#[allow(dead_code)]
struct String;
#[allow(dead_code)]
struct Vec;

#[::parproc::parallel]
fn lend(text: &str, list: &[u8], path: &::std::path::Path) -> usize {
    let _ = path;
    text.len() + list.len()
}

#[::parproc::parallel(name = "named")]
fn named(x: u8) -> ::std::result::Result<(), ::std::string::String> {
    let _ = x;
    ::std::result::Result::Ok(())
}

struct Counter;

#[::parproc::parallel]
impl Counter {
    fn count(from: u8) -> u8 {
        let Counter = Counter;
        from
    }
}

fn main() {}

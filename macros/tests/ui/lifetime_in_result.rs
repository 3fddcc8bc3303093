use parproc::parallel;
use std::borrow::Cow;

#[parallel]
fn trim<'a>(word: &'a str) -> Cow<'a, str> {
    word.trim().into()
}

fn main() {}

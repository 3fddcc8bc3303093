//! What the compiler says about each mistake with `#[parallel]`, and that what is right compiles.
//!
//! After a change of the messages: `TRYBUILD=overwrite cargo test -p parproc-macros --test ui`, then
//! read what changed.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
}

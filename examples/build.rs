//! Compiles the C library of `legacy_c.rs`, which names it in its `#[link]`.

fn main() {
    let source = "legacy/tally.c";
    println!("cargo::rerun-if-changed={source}");
    cc::Build::new()
        .file(source)
        .cargo_metadata(false)
        .compile("tally");
    let folder = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    println!("cargo::rustc-link-search=native={folder}");
}

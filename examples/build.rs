//! Compiles the C libraries of the examples, which name them in their `#[link]`.

fn main() {
    for library in ["tally", "pcx"] {
        let source = format!("legacy/{library}.c");
        println!("cargo::rerun-if-changed={source}");
        cc::Build::new()
            .file(source)
            .cargo_metadata(false)
            .compile(library);
    }
    let folder = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    println!("cargo::rustc-link-search=native={folder}");
}

//! Compiles two C++ libraries. One is linked where Cargo puts it, the other one behind everything,
//! so that its constructor stands last in the program's list.

fn main() {
    println!("cargo:rerun-if-changed=object.cpp");
    cc::Build::new()
        .cpp(true)
        .file("object.cpp")
        .define("FUNCTION", "first_object")
        .compile("first_object");
    let mut last = cc::Build::new();
    last.cpp(true)
        .file("object.cpp")
        .define("FUNCTION", "last_object")
        .cargo_metadata(false)
        .compile("last_object");
    let out = std::env::var("OUT_DIR").unwrap();
    println!("cargo:rustc-link-arg-bins={out}/liblast_object.a");
}

//! Compiles the C libraries of the examples, which name them in their `#[link]`, and looks for GLPK.

use std::path::Path;

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

    // The example `glpk` says so if it is missing.
    let probe = "legacy/glpk_probe.c";
    println!("cargo::rerun-if-changed={probe}");
    println!("cargo::rustc-check-cfg=cfg(glpk)");
    let found = cc::Build::new()
        .file(probe)
        .cargo_metadata(false)
        .cargo_warnings(false)
        .try_expand();
    if found.is_ok() {
        println!("cargo::rustc-cfg=glpk");
    }
    // Changes when Debian's packages do: GLPK may have come or gone.
    let packages = "/var/lib/dpkg/status";
    if Path::new(packages).exists() {
        println!("cargo::rerun-if-changed={packages}");
    }
}

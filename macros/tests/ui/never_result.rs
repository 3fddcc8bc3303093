use parproc::parallel;

#[parallel]
fn stop(code: i32) -> ! {
    std::process::exit(code)
}

fn main() {}

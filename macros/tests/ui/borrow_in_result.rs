use parproc::parallel;

#[parallel]
fn find(_: String) -> Option<&'static str> {
    None
}

fn main() {}

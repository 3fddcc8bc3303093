use parproc::parallel;

#[parallel]
fn sort(names: &mut [String]) {
    names.sort();
}

fn main() {}

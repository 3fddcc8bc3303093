use parproc::parallel;

#[parallel]
fn sort(items: &mut [u32]) {
    items.sort();
}

fn main() {}

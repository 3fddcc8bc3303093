use parproc::parallel;

#[parallel]
fn sort(items: &mut Vec<u32>) {
    items.sort();
}

fn main() {}

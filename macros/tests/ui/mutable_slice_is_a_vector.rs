use parproc::{par_map, parallel};

#[parallel]
fn sort(numbers: &mut [u32]) {
    numbers.sort();
}

fn main() {
    let _ = par_map(sort, [vec![3, 1, 2]]);
}

use parproc::{Pool, parallel};

#[parallel]
fn open(path: &str) -> usize {
    path.len()
}

fn main() {
    let _ = Pool::builder().init(open, "data").build();
}

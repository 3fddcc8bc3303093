use parproc::parallel;

#[parallel]
fn total(words: &[&str]) -> usize {
    words.len()
}

fn main() {}

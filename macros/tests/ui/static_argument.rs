use parproc::parallel;

#[parallel]
fn length(word: &'static str) -> usize {
    word.len()
}

fn main() {}

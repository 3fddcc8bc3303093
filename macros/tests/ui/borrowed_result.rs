use parproc::parallel;

#[parallel]
fn first(words: &[String]) -> &str {
    &words[0]
}

fn main() {}

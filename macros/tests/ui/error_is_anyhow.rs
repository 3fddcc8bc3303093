use parproc::parallel;

#[parallel]
fn parse(word: &str) -> anyhow::Result<u32> {
    Ok(word.parse()?)
}

fn main() {}

use parproc::parallel;

#[parallel]
fn parse(word: &str) -> Result<u32, std::num::ParseIntError> {
    word.parse()
}

fn main() {}

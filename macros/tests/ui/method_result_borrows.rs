use parproc::parallel;

struct Counter(String);

#[parallel]
impl Counter {
    fn new() -> Self {
        Counter(String::new())
    }

    fn name(&self) -> &str {
        &self.0
    }
}

fn main() {}

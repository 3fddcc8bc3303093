use parproc::parallel;

struct Counter<'a>(&'a str);

#[parallel]
impl<'a> Counter<'a> {
    fn new(text: &'a str) -> Self {
        Counter(text)
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

fn main() {}

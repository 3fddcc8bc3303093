use parproc::parallel;

struct Counter<T>(T);

#[parallel(for(T = [u32]))]
impl<T: Default> Counter<T> {
    fn new() -> Self {
        Counter(T::default())
    }

    fn count(&self) -> u32 {
        1
    }
}

fn main() {}

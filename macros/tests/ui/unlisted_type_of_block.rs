use parproc::parallel;

struct Stack<T>(T);

#[parallel]
impl<T> Stack<T> {
    fn depth(items: Vec<u32>) -> usize {
        items.len()
    }
}

fn main() {}

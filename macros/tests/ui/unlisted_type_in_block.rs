use parproc::parallel;

struct Stack;

#[parallel]
impl Stack {
    fn depth<T>(items: Vec<T>) -> usize {
        items.len()
    }
}

fn main() {}

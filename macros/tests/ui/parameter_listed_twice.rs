use parproc::parallel;

#[parallel(for(T = [u32], T = [String]))]
fn same<T>(item: T) -> T {
    item
}

fn main() {}

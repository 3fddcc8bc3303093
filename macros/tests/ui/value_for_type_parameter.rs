use parproc::parallel;

#[parallel(for(T = [u32, 2]))]
fn same<T>(item: T) -> T {
    item
}

fn main() {}

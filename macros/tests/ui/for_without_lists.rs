use parproc::parallel;

#[parallel(for = u32)]
fn same<T>(item: T) -> T {
    item
}

fn main() {}

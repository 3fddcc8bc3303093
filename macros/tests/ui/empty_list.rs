use parproc::parallel;

#[parallel(for(T = []))]
fn same<T>(item: T) -> T {
    item
}

fn main() {}

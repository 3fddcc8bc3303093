use parproc::parallel;

struct Image(Vec<u8>);

#[parallel(for(T = [u32, Image]))]
fn same<T>(item: T) -> T {
    item
}

fn main() {}

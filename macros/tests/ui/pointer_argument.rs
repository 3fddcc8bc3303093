use parproc::parallel;

#[parallel]
fn is_null(item: *const u32) -> bool {
    item.is_null()
}

fn main() {}

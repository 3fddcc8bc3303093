use parproc::parallel;

#[parallel]
fn show(item: &dyn std::fmt::Display) -> String {
    item.to_string()
}

fn main() {}

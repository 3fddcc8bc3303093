use parproc::parallel;

#[parallel]
#[target_feature(enable = "avx2")]
fn total(items: Vec<f32>) -> f32 {
    items.iter().sum()
}

fn main() {}

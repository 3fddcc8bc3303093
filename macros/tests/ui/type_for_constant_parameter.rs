use parproc::parallel;

#[parallel(for(N = [1, u32]))]
fn zeros<const N: usize>() -> Vec<u8> {
    vec![0; N]
}

fn main() {}

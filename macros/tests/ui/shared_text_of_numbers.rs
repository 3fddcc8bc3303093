use parproc::Shared;

fn main() {
    let _: std::io::Result<Shared<str>> = Shared::new(vec![1_u8]);
}

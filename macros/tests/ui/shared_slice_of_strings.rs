use parproc::Shared;

fn main() {
    let _: std::io::Result<Shared<[String]>> = Shared::new(vec![String::new()]);
}

use parproc::Shared;

struct Settings;

fn main() {
    let _ = Shared::new(Settings);
}

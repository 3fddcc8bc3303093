use parproc::parallel;

#[parallel(name = 3, priority = 1, for(U = [u32]))]
async unsafe extern "C" fn wrong<T>(a: &mut u32, b: impl Copy, c: &'static str) -> &str {
    "wrong"
}

struct Counter;

#[parallel(name = "counter")]
impl Counter {
    fn first(count: &mut u32) {}

    #[parallel(speed = 2)]
    async fn second() {}

    fn third(&mut self) {}
}

fn main() {}

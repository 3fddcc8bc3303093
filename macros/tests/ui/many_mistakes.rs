use parproc::parallel;

#[parallel(name = 3, priority = 1, for(U = [u32]))]
async unsafe extern "C" fn wrong<T>(_: &mut u32, _: impl Copy, _: &'static str) -> &'static str {
    "wrong"
}

struct Counter;

#[parallel(name = "counter")]
impl Counter {
    fn first(_: &mut u32) {}

    #[parallel(speed = 2)]
    async fn second() {}

    fn third(&mut self) {}
}

fn main() {}

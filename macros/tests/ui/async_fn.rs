use parproc::parallel;

#[parallel]
async fn fetch(url: String) -> String {
    url
}

fn main() {}

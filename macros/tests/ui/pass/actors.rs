// Actors: what methods and constructors may look like, and where.

use std::path::Path;

use parproc::Task;
use parproc::parallel;

mod inner {
    use parproc::parallel;

    pub struct Public(pub(super) std::rc::Rc<str>);

    #[parallel(timeout = "5s")]
    impl Public {
        pub(super) const LEN: usize = 2;

        /// Makes one.
        pub fn new(text: &str) -> Self {
            Self(text.into())
        }

        pub(crate) fn of_parts(parts: &[u8; 0], mut more: Vec<String>) -> Public {
            more.clear();
            let _ = parts;
            Self("".into())
        }

        #[parallel(name = "a name", retries = 2)]
        pub fn text(&self) -> String {
            self.0.to_string()
        }

        #[cfg(any())]
        pub fn disabled(&self, missing: Missing) {}

        #[deprecated]
        pub fn pair<'a>(&'a mut self, _: [u8; Self::LEN], (a, b): (u8, String)) -> u8
        where
            'a: 'a,
        {
            a + b.len() as u8
        }
    }
}

struct Unit;

#[parallel(handle = "Handle")]
impl self::Unit {
    fn new() -> Result<self::Unit, std::fmt::Error> {
        Ok(Unit)
    }

    fn r#match(&self, r#in: &Path, ref mut _x: u8) {
        let _ = r#in;
    }
}

fn main() {
    let public: inner::PublicHandle = inner::Public::spawn("x").unwrap();
    let text: Task<String> = public.text();
    assert_eq!(text.join().unwrap(), "x");
    let handle: Handle = Unit::spawn().unwrap();
    handle.r#match(Path::new("/"), 1).join().unwrap();
    handle.shutdown().unwrap();
}

// Functions of `impl` blocks; methods of other blocks are left alone.

use parproc::parallel;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Image {
    pixels: Vec<u8>,
}

#[parallel]
impl Image {
    pub const DEPTH: usize = 4;

    pub fn new(size: usize) -> Self {
        Self {
            pixels: vec![0; size * Self::DEPTH],
        }
    }

    #[parallel(name = "image::join")]
    fn join(first: &Self, second: Self) -> Image {
        Image {
            pixels: [first.pixels.clone(), second.pixels].concat(),
        }
    }

    fn pixel(at: [u8; Self::DEPTH]) -> [u8; Self::DEPTH] {
        at
    }

    #[parallel(for(T = [u8, String]))]
    fn same<T>(item: T) -> T {
        item
    }

    #[cfg(any())]
    fn disabled(missing: Missing) {}
}

impl Image {
    pub fn size(&self) -> usize {
        self.pixels.len()
    }

    pub async fn load(self: Box<Self>, from: &mut dyn Iterator<Item = u8>) -> impl Sized {
        from.count()
    }
}

#[derive(Serialize, Deserialize)]
struct Pair<A, const N: usize>([Vec<A>; 0], std::marker::PhantomData<[A; N]>);

#[parallel(for(N = [1, { 1 + 1 }], A = [u8, Vec<String>]))]
impl<A: Clone, const N: usize> Pair<A, N>
where
    A: Send,
{
    fn repeat(item: A) -> Vec<A> {
        vec![item; N]
    }

    #[parallel(name = "pair::with", for(B = [bool]))]
    fn with<B>(first: A, second: B) -> (A, B) {
        (first, second)
    }
}

struct Borrowed<'a>(&'a str);

#[parallel]
impl<'a> Borrowed<'a> {
    fn length(text: &'a str) -> usize {
        Borrowed(text).0.len()
    }
}

fn main() {
    let image = Image::join(&Image::new(1), Image::new(2));
    assert_eq!(image.size(), 12);
    assert_eq!(Pair::<u8, 2>::repeat(1), [1, 1]);
}

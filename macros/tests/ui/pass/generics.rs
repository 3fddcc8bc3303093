// Instances of generic functions.

use parproc::parallel;
use serde::Serialize;
use serde::de::DeserializeOwned;

const SIZE: usize = 3;

#[parallel(for(T = [u32, String, std::collections::BTreeMap<u8, u16>]))]
fn largest<T: Ord>(items: Vec<T>) -> Option<T> {
    items.into_iter().max()
}

#[parallel(name = "filled", for(N = [1, SIZE, { SIZE + 1 }], T = [u8, (u8, char)], FLAG = [true]))]
fn filled<'a, T, const N: usize, const FLAG: bool>(item: &'a T, text: &'a str) -> Vec<T>
where
    T: Clone + Serialize + DeserializeOwned,
{
    let _ = (text, FLAG);
    vec![item.clone(); N]
}

#[parallel(for(I = [Vec<u8>]))]
fn first<I: IntoIterator>(items: I, or: I::Item) -> I::Item {
    items.into_iter().next().unwrap_or(or)
}

fn main() {
    let _ = (largest::<u32>, filled::<u8, SIZE, true>, first::<Vec<u8>>);
}

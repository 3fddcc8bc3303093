//! The questions.

use super::batch::Item;
use super::{here, served};
use crate::registry::table;

/// The item that this thread runs, or else the one that the worker runs.
fn item() -> Option<Item> {
    here::item().or_else(served::item)
}

/// The position of the item in the input of its call, from 0; 0 for a task that was
/// [spawned](crate::Pool::spawn), and for a [`Process`](crate::Process).
///
/// None where there is no such position: in the methods of an [actor](crate::actor), in the
/// [`init`](crate::PoolBuilder::init) and [`exit`](crate::PoolBuilder::exit) functions of a pool, and outside of tasks.
///
/// ```
/// use parproc::{par_map, parallel, task};
///
/// #[parallel]
/// fn numbered(line: &str) -> String {
///     format!("{}: {line}", task::index().unwrap_or(0) + 1)
/// }
///
/// assert_eq!(par_map(numbered, ["one", "two"])?, ["1: one", "2: two"]);
/// assert_eq!(task::index(), None);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn index() -> Option<usize> {
    item()?.index
}

/// Which attempt at the item this is: 1, or more if it is [tried again](crate::Job::retries). None outside of
/// tasks.
///
/// ```
/// use parproc::{Pool, parallel, task};
///
/// #[parallel]
/// fn shy() -> Option<u32> {
///     if task::attempt() == Some(1) {
///         std::process::abort();
///     }
///     task::attempt()
/// }
///
/// let pool = Pool::builder().workers(1).build()?;
/// assert_eq!(pool.job(shy).retries(1).map([()])?, [Some(2)]);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn attempt() -> Option<u32> {
    Some(item()?.attempt)
}

/// The registered name of the function that was called as a task. None outside of tasks.
///
/// ```
/// use parproc::{par_map, parallel, task};
///
/// #[parallel(name = "greet")]
/// fn hello() -> Option<String> {
///     task::function().map(str::to_owned)
/// }
///
/// assert_eq!(par_map(hello, [()])?, [Some("greet".to_owned())]);
/// assert_eq!(task::function(), None);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn function() -> Option<&'static str> {
    let function = item()?.function;
    Some(table().ok()?.name(function))
}

/// A number for the item to begin its random numbers with.
///
/// It follows from the [seed of the call](crate::Job::seed) and the [index](index) of the item, and from nothing
/// else; it is the same whenever the item asks. Without a seed of the call, that is a random number, another one
/// for each call. To have the calls that a task makes follow from its own seed, give them `.seed(task::seed())`.
///
/// Outside of tasks each call gives a new random number, so that the function can be called as any other.
///
/// It is the output of SplitMix64 with the index as its position: G. Steele, D. Lea, C. Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014, <https://doi.org/10.1145/2660193.2660195>, with the constants of
/// S. Vigna's <https://prng.di.unimi.it/splitmix64.c>. These numbers do not change between versions of parproc.
///
/// ```
/// use parproc::{Pool, parallel, task};
///
/// #[parallel]
/// fn draw() -> u64 {
///     task::seed()
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// assert_eq!(
///     pool.job(draw).seed(1_234_567).map([(); 3])?,
///     [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423],
/// );
/// assert_ne!(pool.map(draw, [()])?, pool.map(draw, [()])?);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn seed() -> u64 {
    item().map_or_else(|| fastrand::u64(..), |item| item.seed)
}

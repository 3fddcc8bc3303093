//! The pool that everybody shares, and the call that most programs need.

use std::sync::OnceLock;

use super::Pool;
use crate::error::{Error, Result};
use crate::registry::Function;
use crate::sys::at_exit;

static GLOBAL: OnceLock<Result<Pool>> = OnceLock::new();

/// The program ends by itself: idle workers may end by themselves as well, which writes out what
/// they have buffered. However else it ends, the kernel ends them.
extern "C" fn end_global() {
    if let Some(Ok(pool)) = GLOBAL.get()
        && pool.shared().check_fork().is_ok()
    {
        pool.close_silently();
    }
}

impl Pool {
    /// The pool that the whole program shares; it is made at the first call and lasts until the
    /// program ends. Then idle workers end as programs do, and busy ones are killed.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// assert_eq!(Pool::global()?.spawn(square, 12)?.join()?, 144);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`build`](crate::PoolBuilder::build); the same error each time.
    pub fn global() -> Result<&'static Pool> {
        let pool = GLOBAL.get_or_init(|| {
            let pool = Pool::builder().build()?;
            at_exit(end_global);
            Ok(pool)
        });
        pool.as_ref().map_err(Error::again)
    }
}

/// Calls `function` on every item, in worker processes of the [global pool](Pool::global), and gives
/// the results in the order of the items.
///
/// `function` carries [`#[parallel]`](crate::parallel). One argument is passed as it is, several as a
/// tuple, none as `()`.
///
/// ```
/// use parproc::{par_map, parallel};
///
/// #[parallel]
/// fn area(width: f64, height: f64) -> f64 {
///     width * height
/// }
///
/// assert_eq!(par_map(area, [(1.0, 2.0), (3.0, 4.0)])?, [2.0, 12.0]);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// # Errors
/// See [`Pool::map`].
///
/// # Panics
/// When the iterator of the items panics.
pub fn par_map<F, A, M, I>(function: F, items: I) -> Result<Vec<F::Output>>
where
    F: Function<A, M>,
    I: IntoIterator<Item = A>,
{
    Pool::global()?.map(function, items)
}

//! What copying the same bytes costs within one process, into memory that was used before.

use super::contest::{Contest, Who};
use super::measure::{check, time};

/// Enters it for these blocks; says as whom.
pub(crate) fn enter_copy<'a, T: Copy + PartialEq>(
    contest: &mut Contest<'a>,
    source: &'a [Vec<T>],
) -> Who {
    let warm = Who::Other("memcpy into used memory");
    let mut used = source.to_vec();
    contest.enter(warm, move || {
        let ((), nanos) = time(|| {
            for (to, from) in used.iter_mut().zip(source) {
                to.copy_from_slice(from);
            }
        });
        check(used == source, "a copy")?;
        Ok(nanos)
    });
    warm
}

//! More workers than CPUs, and a CPU that is busy with something else.

use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, check, pool, threads, time};
use super::peers::work::mix;
use super::raw::Peer;
use super::row::{Limit, Row};
use super::table::{Table, Unit};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

const MANY: usize = 64;
const TWO: Who = Who::Other("2 workers");

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    compare(scale, "64 workers on 2 CPUs", table)?;
    let _busy = Peer::fork(|| {
        loop {
            std::hint::spin_loop();
        }
    })?;
    compare(
        scale,
        "64 workers on 2 CPUs, one busy with another process",
        table,
    )
}

fn compare(scale: Scale, name: &str, table: &mut Table) -> Outcome<()> {
    let count = scale.pick(100_000, 10_000);
    let items: Vec<u64> = (0..count as u64).collect();
    let expected: Vec<u64> = items.iter().map(|x| mix(*x)).collect();
    let threads = threads(MANY)?;
    let mut contest = Contest::new(scale);
    for (who, workers) in [
        (Who::Other("1 worker"), 1),
        (TWO, 2),
        (Who::Other("4 workers"), 4),
        (Who::Other("16 workers"), 16),
        (Who::Ours, MANY),
    ] {
        let (pool, items, expected) = (pool(workers)?, &items, &expected);
        contest.enter(who, move || {
            let (results, nanos) = time(|| pool.map(mix, items.iter().copied()));
            check(results? == *expected, "a map")?;
            Ok(nanos)
        });
    }
    contest.enter(Who::Rayon, || {
        let map = || items.par_iter().map(|x| mix(*x)).collect::<Vec<_>>();
        let (results, nanos) = time(|| threads.install(map));
        check(results == expected, "a map")?;
        Ok(nanos)
    });
    table.contest(
        Row::of(name, Unit::NanosAnItem(count), contest)?
            .note("a map of 100,000 `u64`; rayon: 64 threads")
            .bars(Limit::Times(1.5, TWO), Limit::Times(1.1, TWO)),
    );
    Ok(())
}

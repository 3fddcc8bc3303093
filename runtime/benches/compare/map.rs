//! A function that does next to nothing over very many numbers.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::contest::{Contest, Who};
use super::hand::{Hands, SMALL, batches};
use super::measure::{Outcome, Scale, check, pool, threads, time};
use super::peers::farm::Farm;
use super::peers::work::{Request, mix};
use super::peers::{farms, python};
use super::row::{Limit, Row};
use super::table::{Table, Unit, grouped};

const WORKERS: usize = 2;
/// Numbers that go to a worker of a peer together: 32 KiB, which fit in a socket's buffer twice.
const BATCH: usize = 4096;
/// More would take Python seconds; the time of the others grows with the items.
const PYTHON_MOST: usize = 1_000_000;

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    compare(scale, scale.pick(1_000_000, 100_000), Limit::None, table)?;
    let count = scale.pick(10_000_000, 1_000_000);
    compare(scale, count, Limit::Cost(8.0 * count as f64), table)
}

fn compare(scale: Scale, count: usize, moonshot: Limit, table: &mut Table) -> Outcome<()> {
    let items: Vec<u64> = (0..count as u64).collect();
    let expected: Vec<u64> = items.iter().map(|x| mix(*x)).collect();
    let (pool, threads) = (pool(WORKERS)?, threads(WORKERS)?);
    let mut rings = Hands::rings(WORKERS, SMALL, batches)?;
    let mut sockets = Hands::sockets(WORKERS, batches)?;

    // The results are dropped after the clock has stopped.
    let timed = |work: &mut dyn FnMut() -> Outcome<Vec<u64>>| {
        let (results, nanos) = time(work);
        check(results? == expected, "a map")?;
        Ok(nanos)
    };
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        timed(&mut || Ok(pool.map(mix, items.iter().copied())?))
    });
    contest.enter(Who::Hand, || timed(&mut || rings.map(&items)));
    contest.enter(Who::Socket, || timed(&mut || sockets.map(&items)));
    contest.enter(Who::Rayon, || {
        timed(&mut || Ok(threads.install(|| items.par_iter().map(|x| mix(*x)).collect())))
    });
    for mut farm in farms(WORKERS)? {
        let (items, timed) = (&items, &timed);
        contest.enter(farm.who(), move || {
            timed(&mut || in_batches(farm.as_mut(), items))
        });
    }
    let less = count.min(PYTHON_MOST);
    let factor = count / less;
    python::enter_kinds(
        &mut contest,
        &python::KINDS,
        WORKERS,
        &format!("map {less}"),
        factor as f64,
    );
    contest.enter(Who::Other("serial loop"), || {
        timed(&mut || Ok(items.iter().map(|x| mix(*x)).collect()))
    });
    let row = Row::of(
        format!("map of {} `u64`", grouped(count)),
        Unit::NanosAnItem(count),
        contest,
    )?;
    table.contest(
        row.note("by hand: batches of 4096 numbers; so too ipc-channel and procspawn")
            .bars(Limit::Times(1.0, Who::Hand), moonshot),
    );
    Ok(())
}

fn in_batches(farm: &mut dyn Farm, items: &[u64]) -> Outcome<Vec<u64>> {
    let mut results = Vec::with_capacity(items.len());
    let mut requests = items
        .chunks(BATCH)
        .map(|batch| Request::Mix(batch.to_vec()));
    farm.deal(2, &mut requests, &mut |reply| {
        results.extend_from_slice(&reply.numbers()?);
        Ok(())
    })?;
    Ok(results)
}

//! Work that is all computation, in pieces of equal and of very different lengths.

use std::cell::Cell;

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::contest::{Contest, Who};
use super::hand::{Hands, SMALL, numbers};
use super::measure::{Outcome, Scale, check, pool, threads, time};
use super::peers::work::{Request, walk};
use super::peers::{farms, python};
use super::row::{Limit, Row};
use super::table::{Table, Unit};

const WORKERS: usize = 2;
const TASKS: usize = 200;
/// Python does a part of the work, for it takes so many times as long.
const PYTHON_PART: u64 = 200;

/// With a heavy tail: the longest is a tenth of all, the shortest a seventieth of that, and they are in no
/// order.
fn heavy_tailed(unit: f64) -> Vec<u64> {
    (0..TASKS)
        .map(|task| {
            // 77 and 200 have no common divisor, so this is every rank once.
            let rank = (task * 77 + 13) % TASKS + 1;
            (20.0 * unit * (rank as f64).powf(-0.8)) as u64
        })
        .collect()
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let unit = scale.pick(1e6, 5e4);
    let even = vec![unit as u64; TASKS];
    let rising = |task| (2.0 * unit * (task + 1) as f64 / TASKS as f64) as u64;
    compare(scale, "even", &even, table)?;
    let uneven: Vec<u64> = (0..TASKS).map(rising).collect();
    compare(scale, "uneven, the longest last", &uneven, table)?;
    compare(scale, "heavy-tailed", &heavy_tailed(unit), table)
}

fn compare(scale: Scale, name: &str, steps: &[u64], table: &mut Table) -> Outcome<()> {
    let expected: Vec<u64> = steps.iter().map(|steps| walk(*steps)).collect();
    let (pool, threads) = (pool(WORKERS)?, threads(WORKERS)?);
    let mut rings = Hands::rings(WORKERS, SMALL, || numbers(walk))?;

    // What the work by one process takes, divided by the workers: measured in each round.
    let ideal = Cell::new(f64::NAN);
    let timed = |work: &mut dyn FnMut() -> Outcome<Vec<u64>>| {
        let (results, nanos) = time(work);
        check(results? == expected, "work of computation")?;
        Ok(nanos / ideal.get())
    };
    let mut contest = Contest::new(scale);
    contest.enter(Who::Other("serial loop"), || {
        let (results, nanos) = time(|| steps.iter().map(|n| walk(*n)).collect::<Vec<_>>());
        check(results == expected, "work of computation")?;
        ideal.set(nanos / WORKERS as f64);
        Ok(WORKERS as f64)
    });
    contest.enter(Who::Ours, || {
        timed(&mut || Ok(pool.map(walk, steps.iter().copied())?))
    });
    contest.enter(Who::Hand, || timed(&mut || rings.pull(steps)));
    contest.enter(Who::Rayon, || {
        let one_by_one = || steps.par_iter().with_max_len(1).map(|n| walk(*n)).collect();
        timed(&mut || Ok(threads.install(one_by_one)))
    });
    contest.enter(Who::Other("rayon without `with_max_len(1)`"), || {
        timed(&mut || Ok(threads.install(|| steps.par_iter().map(|n| walk(*n)).collect())))
    });
    for mut farm in farms(WORKERS)? {
        let timed = &timed;
        contest.enter(farm.who(), move || {
            timed(&mut || {
                let requests = steps.iter().map(|n| Request::Walk(*n)).collect();
                let replies = farm.pull(requests)?.into_iter();
                Ok(replies
                    .map(|reply| reply.number())
                    .collect::<Result<_, _>>()?)
            })
        });
    }
    let parts = steps
        .iter()
        .map(|steps| format!(" {}", steps / PYTHON_PART));
    let command = format!("walks{}", parts.collect::<String>());
    python::enter(&mut contest, WORKERS, &command);
    table.contest(
        Row::of(format!("{TASKS} tasks of computation, {name}"), Unit::Times, contest)?
            .note("the time over the ideal one, which is that of a serial loop divided by the 2 workers; by hand: each worker gets the next when it is free")
            .bars(Limit::Cost(1.03), Limit::Cost(1.01)),
    );
    Ok(())
}

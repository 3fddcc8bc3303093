//! Texts to numbers: values that are not plain, and that cost something to make and to drop.

use std::hint::black_box;

use parproc::parallel;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::contest::{Contest, Who};
use super::hand::{Hands, SMALL, lengths};
use super::measure::{Outcome, Scale, check, pool, threads, time};
use super::peers::farm::Farm;
use super::peers::work::Request;
use super::peers::{farms, python};
use super::row::{Limit, Row};
use super::table::{Table, Unit, grouped};

const WORKERS: usize = 2;
const BATCH: usize = 4096;
const LEN: usize = 20;

#[parallel]
fn length(text: String) -> u64 {
    black_box(text).len() as u64
}

#[parallel]
fn length_lent(text: &str) -> u64 {
    black_box(text).len() as u64
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let count = scale.pick(1_000_000, 50_000);
    let source: Vec<String> = (0..count).map(|index| format!("{index:0LEN$}")).collect();
    let (pool, threads) = (pool(WORKERS)?, threads(WORKERS)?);
    let mut rings = Hands::rings(WORKERS, SMALL, lengths)?;
    let mut sockets = Hands::sockets(WORKERS, lengths)?;

    let timed = |work: &mut dyn FnMut() -> Outcome<Vec<u64>>| {
        let (results, nanos) = time(work);
        let results = results?;
        let right = results.iter().all(|len| *len == LEN as u64);
        check(right && results.len() == count, "lengths of texts")?;
        Ok(nanos)
    };
    // Who takes the texts by value also drops them while the clock runs.
    let timed_with = |work: &mut dyn FnMut(Vec<String>) -> Outcome<Vec<u64>>| {
        let mut texts = Some(source.clone());
        timed(&mut || work(texts.take().ok_or("taken")?))
    };
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        timed_with(&mut |texts| Ok(pool.map(length, texts)?))
    });
    contest.enter(Who::Hand, || timed(&mut || rings.lengths_of_texts(&source)));
    contest.enter(Who::Socket, || {
        timed(&mut || sockets.lengths_of_texts(&source))
    });
    contest.enter(Who::Rayon, || {
        timed_with(&mut |texts| Ok(threads.install(|| texts.into_par_iter().map(length).collect())))
    });
    for mut farm in farms(WORKERS)? {
        let timed_with = &timed_with;
        contest.enter(farm.who(), move || {
            timed_with(&mut |texts| in_batches(farm.as_mut(), texts))
        });
    }
    python::enter(&mut contest, WORKERS, &format!("strings {count}"));
    contest.enter(Who::Other("lent as `&str`"), || {
        timed(&mut || Ok(pool.map(length_lent, source.iter().map(String::as_str))?))
    });
    let cloned = Who::Other("clone of the vector");
    contest.enter(cloned, || {
        let (copy, nanos) = time(|| source.clone());
        check(copy == source, "a clone")?;
        Ok(nanos)
    });
    let what = format!(
        "map of {} `String` of 20 bytes to their length",
        grouped(count)
    );
    table.contest(
        Row::of(what, Unit::NanosAnItem(count), contest)?
            .note("by hand: batches of 4096 texts, each behind its length")
            .bars(Limit::Times(2.0, cloned), Limit::Times(1.0, cloned)),
    );
    Ok(())
}

fn in_batches(farm: &mut dyn Farm, texts: Vec<String>) -> Outcome<Vec<u64>> {
    let mut results = Vec::with_capacity(texts.len());
    let mut texts = texts.into_iter();
    let mut requests = (0..texts.len().div_ceil(BATCH))
        .map(|_| Request::Lengths(texts.by_ref().take(BATCH).collect()));
    farm.deal(2, &mut requests, &mut |reply| {
        results.extend_from_slice(&reply.numbers()?);
        Ok(())
    })?;
    Ok(results)
}

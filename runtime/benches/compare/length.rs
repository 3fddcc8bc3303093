//! Large arguments and small results: what the way there costs.

use std::hint::black_box;

use parproc::parallel;

use super::contest::{Contest, Who};
use super::copy::enter_copy;
use super::hand::{Hands, LARGE, sizes};
use super::measure::{Outcome, Scale, check, pool, time};
use super::peers::work::Request;
use super::peers::{farms, python};
use super::row::{Limit, Row};
use super::table::{Table, Unit};

const WORKERS: usize = 2;
const BLOCK: usize = 4 << 20;

#[parallel]
fn length_lent(bytes: &[u8]) -> u64 {
    black_box(bytes).len() as u64
}

#[parallel]
fn length_owned(bytes: Vec<u8>) -> u64 {
    black_box(bytes).len() as u64
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let blocks = scale.pick(64, 8);
    let source: Vec<Vec<u8>> = (0..blocks).map(|block| vec![block as u8; BLOCK]).collect();
    let pool = pool(WORKERS)?;
    let mut rings = Hands::rings(WORKERS, LARGE, sizes)?;

    let timed = |work: &mut dyn FnMut() -> Outcome<Vec<u64>>| {
        let (results, nanos) = time(work);
        let results = results?;
        let right = results.iter().all(|len| *len == BLOCK as u64);
        check(right && results.len() == blocks, "lengths of blocks")?;
        Ok(nanos)
    };
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        timed(&mut || Ok(pool.map(length_lent, source.iter().map(Vec::as_slice))?))
    });
    contest.enter(Who::Hand, || {
        timed(&mut || rings.lengths_of_blocks(&source))
    });
    for mut farm in farms(WORKERS)? {
        let (source, timed) = (&source, &timed);
        contest.enter_slow(farm.who(), move || {
            let mut input = source.clone().into_iter().map(Request::Length);
            timed(&mut || {
                let mut lengths = Vec::new();
                farm.deal(1, &mut input, &mut |reply| {
                    lengths.push(reply.number()?);
                    Ok(())
                })?;
                Ok(lengths)
            })
        });
    }
    python::enter(&mut contest, WORKERS, &format!("length {blocks}"));
    contest.enter(Who::Other("owned: `Vec<u8>`"), || {
        let mut input = Some(source.clone());
        timed(&mut || Ok(pool.map(length_owned, input.take().ok_or("taken")?)?))
    });
    let warm = enter_copy(&mut contest, &source);
    let what = format!("length of {blocks} × 4 MiB `&[u8]`");
    table.contest(
        Row::of(what, Unit::Throughput(blocks * BLOCK), contest)?
            .note("by hand: one copy into the ring; the worker does not read the bytes")
            .bars(Limit::Times(1.2, Who::Hand), Limit::Times(1.0, warm)),
    );
    Ok(())
}

//! Very many small tasks that are submitted one by one, and then joined.

use std::sync::mpsc;

use super::contest::{Contest, Who};
use super::hand::{Hands, SMALL, numbers};
use super::measure::{Outcome, Scale, check, pool, threads, time};
use super::peers::farm::Farm;
use super::peers::work::{Request, step};
use super::peers::{ipc, procspawn, python};
use super::row::{Limit, Row};
use super::table::{Table, Unit, grouped};

const WORKERS: usize = 2;
/// As many as a worker of a peer may have before its results are taken: a socket holds no more than 278.
const WINDOW: usize = 64;
/// A ring holds more.
const RING_WINDOW: usize = 4096;
/// What those do less of that take long.
const LESS: usize = 10;

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let count = scale.pick(20_000, 1_000);
    let items: Vec<u64> = (0..count as u64).collect();
    let expected: Vec<u64> = items.iter().map(|x| step(*x)).collect();
    let (pool, threads) = (pool(WORKERS)?, threads(WORKERS)?);
    let mut rings = Hands::rings(WORKERS, SMALL, || numbers(step))?;
    let mut sockets = Hands::sockets(WORKERS, || numbers(step))?;

    let timed = |work: &mut dyn FnMut() -> Outcome<Vec<u64>>| {
        let (results, nanos) = time(work);
        check(results? == expected, "tasks one by one")?;
        Ok(nanos)
    };
    let mut channel = ipc::farm(WORKERS)?;
    let mut pool_of_peer = procspawn::farm(WORKERS)?;
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        timed(&mut || {
            let tasks = items.iter().map(|x| pool.spawn(step, *x));
            let tasks = tasks.collect::<parproc::Result<Vec<_>>>()?;
            let results = tasks.into_iter().map(|task| task.join());
            Ok(results.collect::<parproc::Result<_>>()?)
        })
    });
    contest.enter(Who::Hand, || {
        timed(&mut || rings.one_by_one(RING_WINDOW, &items))
    });
    contest.enter(Who::Socket, || {
        timed(&mut || sockets.one_by_one(WINDOW, &items))
    });
    contest.enter(Who::Rayon, || {
        timed(&mut || {
            let (sender, receiver) = mpsc::channel();
            for (index, x) in items.iter().enumerate() {
                let (sender, x) = (sender.clone(), *x);
                threads.spawn(move || _ = sender.send((index, step(x))));
            }
            drop(sender);
            let mut results = vec![0; items.len()];
            receiver
                .iter()
                .for_each(|(index, result)| results[index] = result);
            Ok(results)
        })
    });
    contest.enter(channel.who(), || {
        timed(&mut || by_farm(&mut channel, &items))
    });
    contest.enter_slow(pool_of_peer.who(), || {
        let items = &items[..count / LESS];
        let (results, nanos) = time(|| by_farm(&mut pool_of_peer, items));
        check(results? == expected[..count / LESS], "tasks one by one")?;
        Ok(nanos * LESS as f64)
    });
    python::enter_kinds(
        &mut contest,
        &python::KINDS,
        WORKERS,
        &format!("tasks {}", count / LESS),
        LESS as f64,
    );
    table.contest(
        Row::of(format!("{} tasks one by one", grouped(count)), Unit::NanosAnItem(count), contest)?
            .note(
                "by hand: 8 bytes each way for each task; ipc-channel: 64 tasks ahead, for it blocks at 278; \
                 procspawn and Python: a tenth of the tasks, procspawn as many at a time as workers, for it \
                 has three descriptors for each",
            )
            .bars(Limit::Times(1.0, Who::Rayon), Limit::Cost(200.0 * count as f64)),
    );
    Ok(())
}

fn by_farm(farm: &mut dyn Farm, items: &[u64]) -> Outcome<Vec<u64>> {
    let mut results = Vec::with_capacity(items.len());
    let mut requests = items.iter().map(|x| Request::Step(*x));
    farm.deal(WINDOW, &mut requests, &mut |reply| {
        results.push(reply.number()?);
        Ok(())
    })?;
    Ok(results)
}

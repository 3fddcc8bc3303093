//! Large vectors there and back.

use parproc::{Function, parallel};

use super::contest::{Contest, Who};
use super::copy::enter_copy;
use super::hand::{Hands, LARGE, echoes};
use super::measure::{Outcome, Scale, check, pool, time};
use super::peers::work::{Reply, Request};
use super::peers::{farms, python};
use super::raw::forget_free_memory;
use super::row::{Limit, Row};
use super::table::{Table, Unit};

const WORKERS: usize = 2;
const BLOCK: usize = 4 << 20;
/// Two of the four copies that an echo needs happen while the other process makes the other two, and each
/// may take 1 / 0.8 times what it takes in one process.
const MOONSHOT: f64 = 2.0 / 0.8;

#[parallel]
fn echo_bytes(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

#[parallel]
fn echo_numbers(numbers: Vec<f64>) -> Vec<f64> {
    numbers
}

/// What elements are here and at the peers.
struct Kind<T> {
    name: &'static str,
    value: fn(usize) -> T,
    request: fn(Vec<T>) -> Request,
    reply: fn(Reply) -> Option<Vec<T>>,
    python: &'static str,
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let bytes = Kind {
        name: "`Vec<u8>`",
        value: |index| index as u8,
        request: Request::EchoBytes,
        reply: |reply| match reply {
            Reply::Bytes(bytes) => Some(bytes),
            _ => None,
        },
        python: "bytes",
    };
    compare(scale, echo_bytes, &bytes, table)?;
    let numbers = Kind {
        name: "`Vec<f64>`",
        value: |index| index as f64,
        request: Request::EchoNumbers,
        reply: |reply| match reply {
            Reply::Floats(numbers) => Some(numbers),
            _ => None,
        },
        python: "floats",
    };
    compare(scale, echo_numbers, &numbers, table)
}

fn compare<T, M, F>(scale: Scale, echo: F, kind: &Kind<T>, table: &mut Table) -> Outcome<()>
where
    T: bytemuck::Pod + PartialEq,
    F: Function<Vec<T>, M, Output = Vec<T>>,
{
    let blocks = scale.pick(64, 8);
    let source: Vec<Vec<T>> = (0..blocks)
        .map(|block| {
            (0..BLOCK / size_of::<T>())
                .map(|index| (kind.value)(index.wrapping_mul(block + 3)))
                .collect()
        })
        .collect();
    let pool = pool(WORKERS)?;
    let mut rings = Hands::rings(WORKERS, LARGE, || echoes(BLOCK))?;
    let mut sockets = Hands::sockets(WORKERS, || echoes(BLOCK))?;
    let [mut in_ring, mut in_socket] = [(); 2].map(|()| source.clone());

    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        let input = source.clone();
        forget_free_memory();
        let (result, nanos) = time(|| pool.map(echo, input));
        check(result? == source, "an echo")?;
        Ok(nanos)
    });
    contest.enter(Who::Hand, || {
        let (done, nanos) = time(|| rings.echo(&source, &mut in_ring));
        done?;
        check(in_ring == source, "an echo")?;
        in_ring.iter_mut().for_each(|block| block[0] = T::zeroed());
        Ok(nanos)
    });
    contest.enter(Who::Socket, || {
        let (done, nanos) = time(|| sockets.echo(&source, &mut in_socket));
        done?;
        check(in_socket == source, "an echo")?;
        in_socket
            .iter_mut()
            .for_each(|block| block[0] = T::zeroed());
        Ok(nanos)
    });
    contest.absent(Who::Rayon, "threads need no copy");
    for mut farm in farms(WORKERS)? {
        let source = &source;
        contest.enter_slow(farm.who(), move || {
            let mut input = source.clone().into_iter().map(kind.request);
            let mut output = Vec::with_capacity(blocks);
            let (done, nanos) = time(|| {
                farm.deal(1, &mut input, &mut |reply| {
                    output.push((kind.reply)(reply).ok_or("a reply of another kind")?);
                    Ok(())
                })
            });
            done?;
            check(output == *source, "an echo")?;
            Ok(nanos)
        });
    }
    python::enter(&mut contest, WORKERS, &format!("{} {blocks}", kind.python));
    let warm = enter_copy(&mut contest, &source);
    contest.enter(Who::Other("memcpy into fresh memory"), || {
        forget_free_memory();
        let (copy, nanos) = time(|| source.clone());
        check(copy == source, "a copy")?;
        Ok(nanos)
    });
    let what = format!("echo of {blocks} × 4 MiB {}", kind.name);
    table.contest(
        Row::of(what, Unit::Throughput(blocks * BLOCK), contest)?
            .note("by hand: four copies, all into memory that was used before")
            .bars(Limit::Times(1.0, Who::Hand), Limit::Times(MOONSHOT, warm)),
    );
    Ok(())
}

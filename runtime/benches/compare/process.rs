//! A process of its own for each call.

use parproc::Process;

use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, check, time};
use super::peers::farm::Farm;
use super::peers::work::{Request, step};
use super::peers::{ipc, procspawn, python};
use super::raw::Peer;
use super::row::{Limit, Row};
use super::start::{bare_start, repeat};
use super::table::{Table, Unit};

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || {
        repeat(scale, &|| timed(|| Ok(Process::spawn(step, 41)?.join()?)))
    });
    contest.enter(Who::Hand, || repeat(scale, &bare_start));
    contest.enter(Who::IpcChannel, || {
        repeat(scale, &|| {
            timed(|| {
                ipc::farm(1)?
                    .call(Request::Step(41))?
                    .number()
                    .map_err(Into::into)
            })
        })
    });
    contest.enter(Who::Procspawn, || {
        repeat(scale, &|| timed(|| procspawn::fresh(41)))
    });
    python::enter(&mut contest, 1, &format!("fresh {}", scale.pick(20, 3)));
    contest.enter(Who::Other("fork alone"), || {
        repeat(scale, &|| {
            let (ended, nanos) = time(|| Peer::fork(|| ())?.join());
            ended?;
            Ok(nanos)
        })
    });
    table.contest(
        Row::of("a fresh process for one call", Unit::Millis, contest)?
            .note("by hand: start and end of this program, empty `main`")
            .bars(Limit::Times(1.15, Who::Hand), Limit::Cost(0.5e6)),
    );
    Ok(())
}

/// The time of a call of [`step`] with 41.
fn timed(call: impl FnOnce() -> Outcome<u64>) -> Outcome<f64> {
    let (result, nanos) = time(call);
    check(result? == step(41), "of a process")?;
    Ok(nanos)
}

//! A process of its own for each call.

use parproc::Process;

use super::child::{EXIT, finish, increment, start};
use super::measure::{Outcome, Scale, check, median, take_turns, time};
use super::table::{Bar, Table, Unit};

const MOST: f64 = 1.5;

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let starts = scale.pick(50, 3);
    let repeat = |once: fn() -> Outcome<f64>| -> Outcome<f64> {
        let times: Outcome<Vec<f64>> = (0..starts).map(|_| once()).collect();
        Ok(median(times?))
    };
    let [own, bare] = &take_turns(
        scale.rounds(),
        [&mut || repeat(own_process), &mut || repeat(bare_start)],
    )?;
    table.add(
        "a process for one call",
        Unit::Millis,
        ("`Process::spawn` and `join`", own),
        ("start and end of the same program, empty `main`", bare),
        Bar::Ratio(MOST),
    );
    Ok(())
}

fn own_process() -> Outcome<f64> {
    let (result, nanos) = time(|| Process::spawn(increment, 41)?.join());
    check(result? == 42, "of a process")?;
    Ok(nanos)
}

fn bare_start() -> Outcome<f64> {
    let (outcome, nanos) = time(|| finish(start(EXIT)?));
    outcome?;
    Ok(nanos)
}

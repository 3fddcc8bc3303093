//! From nothing to the first result.

use super::child::{EXIT, FIRST_RESULT, finish, hear, increment, start};
use super::measure::{Outcome, Scale, check, median, pool, take_turns, time};
use super::table::{Bar, Table, Unit};

const MOST: f64 = 2.0;

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let starts = scale.pick(20, 3);
    let repeat = |once: fn() -> Outcome<f64>| -> Outcome<f64> {
        let times: Outcome<Vec<f64>> = (0..starts).map(|_| once()).collect();
        Ok(median(times?))
    };
    let [in_pool, heard, whole, bare] = &take_turns(
        scale.rounds(),
        [
            &mut || repeat(pool_to_result),
            &mut || repeat(start_to_result),
            &mut || repeat(start_to_end),
            &mut || repeat(bare_start),
        ],
    )?;
    let bare = ("start and end of the same program, empty `main`", bare);
    for (what, name, ours) in [
        (
            "first result in a running program",
            "`build` to the result of 1 worker",
            in_pool,
        ),
        (
            "first result of a program (2 processes start)",
            "start to the result of 1 worker",
            heard,
        ),
        (
            "program that gets one result (2 processes start and end)",
            "start to end, pool dropped",
            whole,
        ),
    ] {
        table.add(what, Unit::Millis, (name, ours), bare, Bar::Ratio(MOST));
    }
    Ok(())
}

fn bare_start() -> Outcome<f64> {
    let (outcome, nanos) = time(|| finish(start(EXIT)?));
    outcome?;
    Ok(nanos)
}

fn start_to_end() -> Outcome<f64> {
    let (outcome, nanos) = time(|| finish(start(FIRST_RESULT)?));
    outcome?;
    Ok(nanos)
}

fn start_to_result() -> Outcome<f64> {
    let (started, nanos) = time(|| -> Outcome<_> {
        let mut child = start(FIRST_RESULT)?;
        let said = hear(&mut child)?;
        Ok((child, said))
    });
    let (child, said) = started?;
    finish(child)?;
    check(said == 42, "a first result")?;
    Ok(nanos)
}

fn pool_to_result() -> Outcome<f64> {
    let (outcome, nanos) = time(|| -> Outcome<_> {
        let pool = pool(1)?;
        let result = pool.spawn(increment, 41)?.join()?;
        // The pool is dropped after the clock has stopped.
        Ok((pool, result))
    });
    let (_pool, result) = outcome?;
    check(result == 42, "a first result")?;
    Ok(nanos)
}

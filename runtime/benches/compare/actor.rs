//! Calls of an actor, beside tasks of a pool with one worker, which take the same way.

use parproc::parallel;

use super::measure::{Outcome, Scale, check, pool, take_turns, time};
use super::table::{Bar, Table, Unit};

/// Calls whose results are taken at the end.
const TOGETHER: usize = 1000;
/// Calls of a task in another process.
const FROM_TASK: usize = 200;

struct Counter(u64);

#[parallel]
impl Counter {
    fn new() -> Self {
        Self(0)
    }

    fn add(&mut self, n: u64) -> u64 {
        self.0 += n;
        self.0
    }
}

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

/// Makes calls one by one; gives the nanoseconds that they took.
#[parallel]
fn calls(counter: &CounterHandle, count: usize) -> f64 {
    // The first one finds the way.
    let first = counter.add(1).join();
    let (done, nanos) = time(|| (1..count).try_for_each(|_| counter.add(1).join().map(drop)));
    if first.is_err() || done.is_err() {
        return f64::NAN;
    }
    nanos
}

#[parallel]
fn lends(counter: &CounterHandle) -> bool {
    counter.add(1).join().is_ok()
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let trips = scale.pick(2000, 100);
    let counter = Counter::spawn()?;
    let pool = pool(1)?;
    let mut sum = 0;
    let mut one_by_one = |count: usize| -> Outcome<f64> {
        let (last, nanos) = time(|| (0..count).try_fold(0, |_, _| counter.add(1).join()));
        sum += count as u64;
        check(last? == sum, "one call after the other")?;
        Ok(nanos / count as f64)
    };
    let [ours, spawn] = &take_turns(
        scale.rounds(),
        [&mut || one_by_one(trips), &mut || {
            let (last, nanos) = time(|| {
                (0..trips).try_fold(0, |sum, _| {
                    pool.spawn(add, (sum, 1)).and_then(|task| task.join())
                })
            });
            check(last? == trips as u64, "one task after the other")?;
            Ok(nanos / trips as f64)
        }],
    )?;
    let (a_call, a_task) = (
        "`actor.add(n).join()?`",
        "`spawn(f, x)?.join()?`, one worker",
    );
    let what = "actor: calls one by one (Ray publishes 497 µs)";
    table.add(
        what,
        Unit::Micros,
        (a_call, ours),
        (a_task, spawn),
        Bar::Ratio(1.5),
    );

    let [ours, spawn] = &take_turns(
        scale.rounds(),
        [
            &mut || {
                let (tasks, nanos) = time(|| {
                    let tasks: Vec<_> = (0..TOGETHER).map(|_| counter.add(0)).collect();
                    tasks.into_iter().map(|task| task.join()).last()
                });
                check(matches!(tasks, Some(Ok(_))), "many calls")?;
                Ok(nanos)
            },
            &mut || {
                let (tasks, nanos) = time(|| -> parproc::Result<_> {
                    let tasks = (0..TOGETHER).map(|n| pool.spawn(add, (n as u64, 0)));
                    let tasks = tasks.collect::<parproc::Result<Vec<_>>>()?;
                    Ok(tasks.into_iter().map(|task| task.join()).last())
                });
                check(matches!(tasks?, Some(Ok(_))), "many tasks")?;
                Ok(nanos)
            },
        ],
    )?;
    let what = "actor: 1000 calls, then their results (Ray publishes 115,000 ns a call)";
    let unit = Unit::NanosAnItem(TOGETHER);
    table.add(what, unit, (a_call, ours), (a_task, spawn), Bar::Ratio(1.5));
    from_tasks(scale, &counter, table)
}

/// Calls that a task makes with a handle which it was given.
fn from_tasks(scale: Scale, counter: &CounterHandle, table: &mut Table) -> Outcome<()> {
    let pool = pool(1)?;
    let calls_of_task = || -> Outcome<f64> {
        let nanos = pool.spawn(calls, (counter, FROM_TASK))?.join()?;
        check(nanos.is_finite(), "calls of a task")?;
        Ok(nanos / (FROM_TASK - 1) as f64)
    };
    let [elsewhere, here] = &take_turns(
        scale.rounds(),
        [&mut || calls_of_task(), &mut || {
            let (done, nanos) =
                time(|| (0..FROM_TASK).try_for_each(|_| counter.add(1).join().map(drop)));
            done?;
            Ok(nanos / FROM_TASK as f64)
        }],
    )?;
    let what = "actor: calls one by one, from a task";
    table.add(
        what,
        Unit::Micros,
        ("in another process", elsewhere),
        ("in its own", here),
        Bar::None,
    );

    let items = scale.pick(200, 20);
    let [given, tasks] = &take_turns(
        scale.rounds(),
        [
            &mut || {
                let (results, nanos) = time(|| pool.map(lends, vec![counter; items]));
                check(results?.iter().all(|done| *done), "items with handles")?;
                Ok(nanos / items as f64)
            },
            &mut || calls_of_task(),
        ],
    )?;
    let what = "actor: an item of a map that has a handle and makes one call";
    table.add(
        what,
        Unit::Micros,
        ("`map(f, …)`", given),
        ("the call alone", tasks),
        Bar::None,
    );
    Ok(())
}

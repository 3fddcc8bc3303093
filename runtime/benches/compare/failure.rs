//! How soon it is known that something went wrong, and how soon work goes on.

use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

use parproc::{Pool, parallel};

use super::child::{CRASHER, EXIT, WAIT, finish, hear, increment, start};
use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, Series, check, median, nanos, take_turns, time};
use super::peers::farm::Farm;
use super::peers::work::{Request, step};
use super::peers::{ipc, procspawn, python};
use super::raw::segfault;
use super::row::{Limit, Row};
use super::table::{Bar, Table, Unit};

const LIMIT: Duration = Duration::from_millis(50);
/// What a deadline and a cancellation may take.
const SOON: Bar = Bar::Nanos(20e6);
/// What a crash may cost when a spare worker is ready.
const AT_ONCE: Bar = Bar::Nanos(1e6);

#[parallel]
fn hang_at(index: u64, bad: u64) -> u64 {
    if index == bad {
        loop {
            std::hint::spin_loop();
        }
    }
    index
}

#[parallel]
fn hang() {
    loop {
        std::hint::spin_loop();
    }
}

#[parallel]
fn fault_if(bad: bool) -> bool {
    if bad {
        segfault();
    }
    bad
}

#[parallel]
fn abort_if(bad: bool) -> bool {
    if bad {
        std::process::abort();
    }
    bad
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let repeats = scale.pick(15, 3);
    let repeat = |once: &dyn Fn() -> Outcome<f64>| -> Outcome<f64> {
        let times: Outcome<Vec<f64>> = (0..repeats).map(|_| once()).collect();
        Ok(median(times?))
    };
    let alone = pool(0)?;
    let spared = pool(1)?;
    let [
        deadline,
        waiting,
        cancel,
        told,
        next,
        next_spared,
        kill,
        fresh,
    ] = &take_turns(
        scale.rounds(),
        [
            &mut || repeat(&|| past_deadline(&alone, 1)),
            &mut || repeat(&|| past_deadline(&alone, 20)),
            &mut || repeat(&|| cancelled(&alone)),
            &mut || repeat(&|| crash_told(&alone)),
            &mut || repeat(&|| crash_to_next(&alone)),
            &mut || repeat(&|| crash_to_next(&spared)),
            &mut || repeat(&killed_child),
            &mut || repeat(&fresh_child),
        ],
    )?;
    crash(scale, table)?;
    let kill = ("`kill` and `wait` of a bare process", kill);
    let fresh = ("start and end of a bare process", fresh);
    let mut add = |what, (name, ours): (&str, &Series), theirs, bar| {
        table.add(what, Unit::Millis, (name, ours), theirs, bar);
    };
    let name = "error of the item, after its 50 ms";
    add("deadline of a task", (name, deadline), kill, SOON);
    add(
        "deadline of 1 of 20 items in a chunk",
        (name, waiting),
        kill,
        SOON,
    );
    add(
        "cancellation of a running task",
        ("`cancel` to `join`", cancel),
        kill,
        SOON,
    );
    add("crash", ("`abort` to the error", told), kill, Bar::None);
    let name = "error to the next result";
    add("crash, no spare worker", (name, next), fresh, Bar::None);
    add("crash, a spare worker", (name, next_spared), fresh, AT_ONCE);
    Ok(())
}

/// From the call that crashes to its error, and on to the next result.
fn crash(scale: Scale, table: &mut Table) -> Outcome<()> {
    let repeats = scale.pick(15, 3);
    for (what, next) in [
        ("crash detected", false),
        ("crash to the next result", true),
    ] {
        let repeat = |once: &mut dyn FnMut() -> Outcome<f64>| -> Outcome<f64> {
            let times: Outcome<Vec<f64>> = (0..repeats).map(|_| once()).collect();
            Ok(median(times?))
        };
        let pool = pool(0)?;
        let spared = self::pool(1)?;
        let mut farm = procspawn::farm(1)?;
        let mut contest = Contest::new(scale);
        contest.enter(Who::Ours, || repeat(&mut || of_ours(&pool, next)));
        contest.enter(Who::Hand, || repeat(&mut || of_hand(next)));
        contest.enter(Who::IpcChannel, || repeat(&mut || of_ipc_channel(next)));
        contest.enter(Who::Procspawn, || {
            repeat(&mut || of_procspawn(&mut farm, next))
        });
        contest.absent(
            Who::PythonPool,
            "it hangs for ever, for it loses the task of a worker that was killed",
        );
        python::enter_kinds(
            &mut contest,
            &python::KINDS[1..],
            1,
            &format!("crash {}", u8::from(next)),
            1.0,
        );
        if next {
            contest.enter(Who::Other("parproc with a spare worker"), || {
                repeat(&mut || of_ours(&spared, next))
            });
        }
        let (bar, moonshot) = if next {
            (Limit::Times(1.1, Who::Hand), Limit::Cost(1e6))
        } else {
            (Limit::None, Limit::None)
        };
        table.contest(
            Row::of(what, Unit::Millis, contest)?
                .note(
                    "a segmentation fault; by hand: this program run again, over pipes, and `wait`",
                )
                .bars(bar, moonshot),
        );
    }
    Ok(())
}

fn of_ours(pool: &Pool, next: bool) -> Outcome<f64> {
    check(!pool.spawn(fault_if, false)?.join()?, "a good item")?;
    // A spare worker has the time to get ready.
    std::thread::sleep(Duration::from_millis(10));
    let (joined, nanos) = time(|| -> Outcome<_> {
        let failed = pool.spawn(fault_if, true)?.join().is_err();
        Ok(failed && (!next || pool.spawn(increment, 41)?.join()? == 42))
    });
    check(joined?, "a crash")?;
    Ok(nanos)
}

fn of_hand(next: bool) -> Outcome<f64> {
    let mut child = ready()?;
    let (replaced, nanos) = time(|| -> Outcome<_> {
        order(&mut child, 1)?;
        check(!child.wait()?.success(), "a crash")?;
        if !next {
            return Ok(None);
        }
        let mut child = ready()?;
        order(&mut child, 0)?;
        check(hear(&mut child)? == 42, "the next result")?;
        Ok(Some(child))
    });
    replaced?.map_or(Ok(()), finish)?;
    Ok(nanos)
}

fn ready() -> Outcome<Child> {
    let mut child = start(CRASHER)?;
    hear(&mut child)?;
    Ok(child)
}

fn order(child: &mut Child, order: u8) -> Outcome<()> {
    let input = child.stdin.as_mut().ok_or("no input")?;
    Ok(input.write_all(&[order])?)
}

fn of_ipc_channel(next: bool) -> Outcome<f64> {
    let mut farm = ipc::farm(1)?;
    farm.call(Request::Step(1))?;
    let (replaced, nanos) = time(|| -> Outcome<_> {
        check(farm.call(Request::Crash).is_err(), "a crash")?;
        if !next {
            return Ok(None);
        }
        // The one that crashed is waited for.
        farm = ipc::farm(1)?;
        Ok(Some(farm.call(Request::Step(1))?.number()?))
    });
    check(
        replaced?.is_none_or(|result| result == step(1)),
        "the next result",
    )?;
    Ok(nanos)
}

fn of_procspawn(farm: &mut dyn Farm, next: bool) -> Outcome<f64> {
    farm.call(Request::Step(1))?;
    let (result, nanos) = time(|| -> Outcome<_> {
        check(farm.call(Request::Crash).is_err(), "a crash")?;
        if !next {
            return Ok(None);
        }
        Ok(Some(farm.call(Request::Step(1))?.number()?))
    });
    check(
        result?.is_none_or(|result| result == step(1)),
        "the next result",
    )?;
    Ok(nanos)
}

fn pool(spares: usize) -> Outcome<Pool> {
    Ok(Pool::builder().workers(1).spares(spares).build()?)
}

/// What the error of a hanging item takes beyond its limit, when so many others are in its chunk.
fn past_deadline(pool: &Pool, items: u64) -> Outcome<f64> {
    pool.spawn(increment, 1)?.join()?;
    let job = pool.job(hang_at).timeout(LIMIT).chunk_size(items as usize);
    let begin = Instant::now();
    let results = job.imap_unordered((0..items).map(|index| (index, 0)))?;
    let mut taken = None;
    let mut right = 0;
    for (_, result) in results {
        match result {
            Ok(_) => right += 1,
            Err(error) => {
                check(error.is_timeout(), "a timeout")?;
                taken = Some(begin.elapsed());
            }
        }
    }
    check(right == items - 1, "the others of the chunk")?;
    let taken = taken.ok_or("no timeout")?;
    Ok(nanos(taken.saturating_sub(LIMIT)))
}

fn cancelled(pool: &Pool) -> Outcome<f64> {
    let task = pool.spawn(hang, ())?;
    // It runs by then.
    std::thread::sleep(Duration::from_millis(10));
    let (joined, nanos) = time(|| {
        task.cancel();
        task.join()
    });
    check(joined.is_err_and(|error| error.is_cancelled()), "cancelled")?;
    Ok(nanos)
}

fn crash_told(pool: &Pool) -> Outcome<f64> {
    check(!pool.spawn(abort_if, false)?.join()?, "a good item")?;
    let (joined, nanos) = time(|| pool.spawn(abort_if, true)?.join());
    check(joined.is_err(), "a crash")?;
    Ok(nanos)
}

fn crash_to_next(pool: &Pool) -> Outcome<f64> {
    check(!pool.spawn(abort_if, false)?.join()?, "a good item")?;
    // A spare worker has the time to get ready.
    std::thread::sleep(Duration::from_millis(10));
    check(pool.spawn(abort_if, true)?.join().is_err(), "a crash")?;
    let (joined, nanos) = time(|| pool.spawn(increment, 41)?.join());
    check(joined? == 42, "the next result")?;
    Ok(nanos)
}

pub(crate) fn killed_child() -> Outcome<f64> {
    let mut child = start(WAIT)?;
    hear(&mut child)?;
    let (status, nanos) = time(|| {
        child.kill()?;
        child.wait()
    });
    check(!status?.success(), "a killed child")?;
    Ok(nanos)
}

fn fresh_child() -> Outcome<f64> {
    let (outcome, nanos) = time(|| finish(start(EXIT)?));
    outcome?;
    Ok(nanos)
}

//! Locks: taken by one process alone, by two at once, and from one that was killed.

use std::sync::atomic::{AtomicU64, Ordering};

use parproc::sync::{Event, LockError, Mutex, RwLock};
use parproc::{Process, SharedCell, parallel};
use rustix::process::Pid;

use super::failure::killed_child;
use super::measure::{Outcome, Scale, Series, check, median, take_turns, time};
use super::place::{Place, Placed};
use super::raw_lock::{futex_alone, futex_rivals, robust_alone, robust_rivals};
use super::table::{Bar, Table, Unit};

/// What a lock and its unlock may take.
const ALONE: Bar = Bar::NanosAnItem(30.0);
const CONTENDED: Bar = Bar::Ratio(1.5);
const ATOMIC: Bar = Bar::Ratio(1.2);
/// Until the next one has the lock of a killed process.
const HANDED_ON: Bar = Bar::Nanos(1e6);

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    alone(scale, table)?;
    contended(scale, table)?;
    handed_on(scale, table)
}

fn alone(scale: Scale, table: &mut Table) -> Outcome<()> {
    let times: u64 = scale.pick(5_000_000, 100_000);
    let (mutex, lock) = (Mutex::new(0_u64)?, RwLock::new(7_u64)?);
    let (cell, atomic) = (SharedCell::new(0_u64)?, AtomicU64::new(0));
    let (futex, robust) = (futex_alone()?, robust_alone()?);
    let ours = || {
        let (outcome, nanos) = time(|| increment(&mutex, times));
        outcome.map(|()| nanos)
    };
    let reading = || {
        let (sum, nanos) = time(|| (0..times).try_fold(0, |sum, _| Ok(sum + *lock.read()?)));
        let sum: std::io::Result<u64> = sum;
        check(sum? == 7 * times, "what was read")?;
        Ok(nanos)
    };
    let writing = || {
        let (outcome, nanos) = time(|| {
            (0..times).try_for_each(|_| {
                *std::hint::black_box(&mut *lock.write()?) = 7;
                Ok(())
            })
        });
        let outcome: std::io::Result<()> = outcome;
        outcome?;
        Ok(nanos)
    };
    let [ours, reading, writing, futex, robust, adds, atomic] = &take_turns(
        scale.rounds(),
        [
            &mut { ours },
            &mut { reading },
            &mut { writing },
            &mut || Ok(time(|| futex.contend(times)).1),
            &mut || Ok(time(|| robust.contend(times)).1),
            &mut || Ok(time(|| (0..times).for_each(|_| _ = cell.fetch_add(1))).1),
            &mut || Ok(time(|| (0..times).for_each(|_| _ = add(&atomic))).1),
        ],
    )?;
    let unit = Unit::NanosAnItem(times as usize);
    let futex = ("futex by hand", futex);
    let robust = ("robust pthread mutex", robust);
    let mutex = ("`Mutex::lock`", ours);
    let what = "lock and unlock, uncontended";
    table.add(what, unit, mutex, robust, ALONE);
    table.add(what, unit, mutex, futex, Bar::None);
    let name = "`RwLock::read`";
    table.add(what, unit, (name, reading), futex, ALONE);
    let name = "`RwLock::write`";
    table.add(what, unit, (name, writing), futex, Bar::None);
    let (adds, atomic) = (
        ("`SharedCell::fetch_add`", adds),
        ("`AtomicU64::fetch_add`", atomic),
    );
    table.add("atomic add", unit, adds, atomic, ATOMIC);
    Ok(())
}

fn add(atomic: &AtomicU64) -> u64 {
    std::hint::black_box(atomic).fetch_add(1, Ordering::SeqCst)
}

fn increment(mutex: &Mutex<u64>, times: u64) -> Outcome<()> {
    for _ in 0..times {
        let mut guard = mutex.lock().map_err(|error| error.to_string())?;
        *guard = std::hint::black_box(*guard + 1);
    }
    Ok(())
}

#[parallel]
fn contend(mutex: Mutex<u64>, begin: Event, done: Event, times: u64) {
    loop {
        begin.wait();
        begin.clear();
        increment(&mutex, times).expect("the lock");
        done.set();
    }
}

fn contended(scale: Scale, table: &mut Table) -> Outcome<()> {
    let times: u64 = scale.pick(300_000, 10_000);
    let rounds = scale.rounds() as u64 + 1;
    for (place, name) in [
        (Place::TwoCpus, "on two CPUs"),
        (Place::OneCpu, "on one CPU"),
    ] {
        let (mutex, begin, done) = (Mutex::new(0)?, Event::new()?, Event::new()?);
        let arguments = (mutex.clone(), begin.clone(), done.clone(), times);
        let Some(placed) = Placed::new(place)? else {
            continue;
        };
        let process = Process::spawn(contend, arguments)?;
        let mut futex = futex_rivals(times)?;
        let mut robust = robust_rivals(times)?;
        let other = Pid::from_raw(process.pid().cast_signed()).ok_or("a process has an id")?;
        placed.settle(&[other, futex.peer(), robust.peer()])?;
        let ours = || {
            let (outcome, nanos) = time(|| {
                begin.set();
                let outcome = increment(&mutex, times);
                done.wait();
                done.clear();
                outcome
            });
            outcome.map(|()| nanos)
        };
        let [ours, with_futex, with_robust] = &take_turns(
            scale.rounds(),
            [
                &mut { ours },
                &mut || Ok(time(|| futex.contend(times)).1),
                &mut || Ok(time(|| robust.contend(times)).1),
            ],
        )?;
        let sum = *mutex.lock().map_err(|error| error.to_string())?;
        check(sum == 2 * times * rounds, "increments of two processes")?;
        check(futex.contend(times) == sum + 2 * times, "the bare ones")?;
        process.kill();
        let unit = Unit::NanosAnItem(2 * times as usize);
        let what = format!("lock and unlock, two processes {name}");
        let ours = ("`Mutex::lock`", ours);
        let futex = ("futex by hand", with_futex);
        table.add(what.clone(), unit, ours, futex, CONTENDED);
        let robust = ("robust pthread mutex", with_robust);
        table.add(what, unit, ours, robust, Bar::None);
    }
    Ok(())
}

#[parallel]
fn hold(mutex: Mutex<u64>, held: Event) {
    let _guard = mutex.lock();
    held.set();
    loop {
        std::thread::park();
    }
}

fn handed_on(scale: Scale, table: &mut Table) -> Outcome<()> {
    let repeats = scale.pick(15, 3);
    let repeat = |once: &dyn Fn() -> Outcome<f64>| -> Outcome<f64> {
        let times: Outcome<Vec<f64>> = (0..repeats).map(|_| once()).collect();
        Ok(median(times?))
    };
    let [ours, kill]: &[Series; 2] = &take_turns(
        scale.rounds(),
        [&mut || repeat(&from_killed), &mut || repeat(&killed_child)],
    )?;
    table.add(
        "lock of a killed process",
        Unit::Millis,
        ("SIGKILL to the next one's `lock`", ours),
        ("`kill` and `wait` of a bare process", kill),
        HANDED_ON,
    );
    Ok(())
}

/// From the signal until the next one has the lock.
fn from_killed() -> Outcome<f64> {
    let (mutex, held) = (Mutex::new(0)?, Event::new()?);
    let process = Process::spawn(hold, (mutex.clone(), held.clone()))?;
    held.wait();
    let pid = Pid::from_raw(process.pid().cast_signed()).ok_or("a process has an id")?;
    let (told, nanos) = time(|| {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        Ok::<_, rustix::io::Errno>(mutex.lock().is_err_and(|error| error.is_poisoned()))
    });
    check(told?, "a lock of a killed process")?;
    drop(mutex.lock().or_else(LockError::recover));
    check(process.join().is_err(), "a killed process")?;
    Ok(nanos)
}

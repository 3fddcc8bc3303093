//! What an idle worker keeps, and what an idle pool does.

use std::fs;
use std::io::{self, Read, Write};
use std::time::Duration;

use parproc::parallel;

use super::child::{IDLE, WAIT, finish, hear, start};
use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, pool, take_turns};
use super::peers::work::{mix, step};
use super::peers::{farms, python};
use super::row::{Limit, Row};
use super::table::{Bar, Table, Unit};

/// After that nothing that was left to do is still going on.
const SETTLED: Duration = Duration::from_millis(500);

#[parallel]
fn process_id() -> u32 {
    std::process::id()
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    // Pages that processes share are divided by how many share them.
    let mut contest = Contest::new(scale);
    contest.enter(Who::Ours, || worker_memory("Pss"));
    contest.enter(Who::Hand, || bare_memory("Pss"));
    for mut farm in farms(1)? {
        contest.enter(farm.who(), move || {
            let pid = farm.pid()?.as_raw_nonzero().get();
            of_process(pid.cast_unsigned(), "Pss")
        });
    }
    for (who, kind) in python::KINDS {
        match python::Python::new(kind, 1) {
            Ok(mut python) => {
                contest.enter_slow(who, move || of_process(python.run("worker")? as u32, "Pss"))
            }
            Err(error) => contest.absent(who, error.to_string()),
        }
    }
    table.contest(
        Row::of("idle worker, PSS", Unit::Kib, contest)?
            .note("by hand: this program, waiting in `main`")
            .bars(Limit::Times(1.1, Who::Hand), Limit::Times(1.1, Who::Hand)),
    );

    let idle = scale.pick(Duration::from_secs(3), Duration::from_millis(200));
    let mut contest = Contest::new(scale);
    contest.enter_slow(Who::Ours, || activity(idle));
    table.contest(
        Row::of(
            format!("idle pool of 2 for {idle:?}: times on a CPU"),
            Unit::Count,
            contest,
        )?
        .note("how often a thread of the program or of its workers was put on a CPU")
        .bars(Limit::Cost(0.0), Limit::Cost(0.0)),
    );

    let what = "idle process, private memory written to";
    let [worker, bare] = &take_turns(
        scale.rounds(),
        [&mut || worker_memory("Private_Dirty"), &mut || {
            bare_memory("Private_Dirty")
        }],
    )?;
    let worker = ("worker after its first task", worker);
    let bare = ("the same program, waiting in `main`", bare);
    table.add(what, Unit::Kib, worker, bare, Bar::None);
    Ok(())
}

fn worker_memory(field: &str) -> Outcome<f64> {
    let pool = pool(1)?;
    let worker = pool.spawn(process_id, ())?.join()?;
    of_process(worker, field)
}

fn bare_memory(field: &str) -> Outcome<f64> {
    let mut child = start(WAIT)?;
    hear(&mut child)?;
    let size = of_process(child.id(), field)?;
    finish(child)?;
    Ok(size)
}

/// A figure of the process's memory, in KiB.
pub(crate) fn of_process(process: u32, field: &str) -> Outcome<f64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(value.ok_or("the kernel tells no such figure")?.parse()?)
}

/// How often an idle program and its workers were put on a CPU.
fn activity(idle: Duration) -> Outcome<f64> {
    let mut child = start(IDLE)?;
    let mut processes = vec![child.id()];
    let out = child.stdout.as_mut().ok_or("no output")?;
    let mut workers = [0_u32; 2];
    out.read_exact(bytemuck::cast_slice_mut(&mut workers))?;
    processes.extend(workers);
    std::thread::sleep(SETTLED);
    let before = times_on_cpu(&processes)?;
    std::thread::sleep(idle);
    let after = times_on_cpu(&processes)?;
    finish(child)?;
    Ok(after - before)
}

fn times_on_cpu(processes: &[u32]) -> Outcome<f64> {
    let mut times = 0.0;
    for process in processes {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            // Time on the CPU, time in the queue, times on the CPU.
            let figures = fs::read_to_string(thread?.path().join("schedstat"))?;
            let last = figures.split_whitespace().last().ok_or("no figures")?;
            times += last.parse::<f64>()?;
        }
    }
    Ok(times)
}

/// Uses a pool, tells who its workers are, and then does nothing until its standard input ends.
pub(crate) fn play_idle() -> Outcome<()> {
    let pool = pool(2)?;
    pool.map(mix, 0..100_000)?;
    pool.spawn(step, 1)?.join()?;
    let mut workers: Vec<u32> = Vec::new();
    while workers.len() < 2 {
        for id in pool.job(worker_id).chunk_size(1).map(0..2)? {
            if !workers.contains(&id) {
                workers.push(id);
            }
        }
    }
    let mut out = io::stdout();
    out.write_all(bytemuck::cast_slice(&workers))?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Long enough that both workers get one.
#[parallel]
fn worker_id(_: u32) -> u32 {
    std::thread::sleep(Duration::from_millis(20));
    std::process::id()
}

//! What the program keeps for each task that waits for a worker.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use parproc::parallel;

use super::child::QUEUE;
use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, pool, threads};
use super::memory::of_process;
use super::peers::farm::Farm;
use super::peers::procspawn;
use super::peers::python::{self, Python};
use super::peers::work::{Request, step};
use super::raw::allocated;
use super::row::{Limit, Row};
use super::table::{Table, Unit, grouped};

/// Longer than it takes to queue the tasks.
const LONG: Duration = Duration::from_secs(60);

#[parallel]
fn nap() {
    std::thread::sleep(LONG);
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let count = scale.pick(1_000_000, 20_000);
    let mut contest = Contest::new(scale);
    contest.enter_slow(Who::Ours, || in_child("ours", count));
    contest.absent(Who::Hand, "a queue of one's own has what its entries have");
    contest.enter_slow(Who::Rayon, || in_child("rayon", count));
    contest.absent(
        Who::IpcChannel,
        "it has no queue: its `send` blocks at 278 messages",
    );
    // Three descriptors each, and a process may have 1024.
    contest.enter_slow(Who::Procspawn, || in_child("procspawn", 300));
    for (who, kind) in python::KINDS {
        let command = format!("queue {}", scale.pick(10_000, 1000));
        match Python::new(kind, 1) {
            // A new one each time, for memory that was freed would be used again.
            Ok(_) => contest.enter_slow(who, move || Python::new(kind, 1)?.run(&command)),
            Err(error) => contest.absent(who, error.to_string()),
        }
    }
    contest.enter_slow(Who::Other("what parproc has from the allocator"), || {
        in_child("allocator", count)
    });
    contest.enter_slow(Who::Other("its `Task` alone"), || {
        Ok(size_of::<parproc::Task<u64>>() as f64)
    });
    table.contest(
        Row::of(format!("{} queued tasks: bytes each", grouped(count)), Unit::Bytes, contest)?
            .note("what the resident memory of the program grows by, handles included; procspawn with 300 and Python with 10,000 tasks")
            .bars(Limit::Cost(32.0), Limit::Cost(32.0)),
    );
    Ok(())
}

fn in_child(key: &str, count: usize) -> Outcome<f64> {
    let child = Command::new("/proc/self/exe")
        .args([QUEUE, key, &count.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let figure = String::from_utf8(child.stdout)?;
    let figure = figure.trim().parse();
    Ok(figure.map_err(|_| format!("the child for {key} ended with {}", child.status))?)
}

/// Prints the bytes that a queued task takes.
pub(crate) fn play(key: &str, count: usize) -> Outcome<()> {
    let bytes = match key {
        "ours" => ours(count, resident)?,
        "allocator" => ours(count, || Ok(allocated() as f64))?,
        "rayon" => {
            let threads = threads(1)?;
            // The thread is there.
            threads.install(|| ());
            let before = resident()?;
            threads.spawn(nap);
            (0..count as u64)
                .for_each(|x| threads.spawn(move || _ = std::hint::black_box(step(x))));
            let grown = resident()? - before;
            // It would end with its tasks.
            std::mem::forget(threads);
            grown
        }
        "procspawn" => {
            procspawn::init();
            let mut farm = procspawn::farm(1)?;
            farm.call(Request::Step(1))?;
            let before = resident()?;
            let mut handles = vec![farm.spawn(Request::Walk(u64::MAX))];
            handles.extend((0..count as u64).map(|x| farm.spawn(Request::Step(x))));
            let grown = resident()? - before;
            farm.kill();
            // Those that wait never end, after it was killed.
            std::mem::forget(handles);
            grown
        }
        _ => return Err("no such queue".into()),
    };
    println!("{}", bytes / count as f64);
    std::io::stdout().flush()?;
    std::process::exit(0)
}

fn ours(count: usize, memory: impl Fn() -> Outcome<f64>) -> Outcome<f64> {
    let pool = pool(1)?;
    pool.spawn(step, 1)?.join()?;
    let mut tasks = Vec::with_capacity(count);
    let blocker = pool.spawn(nap, ())?;
    let before = memory()?;
    for x in 0..count as u64 {
        tasks.push(pool.spawn(step, x)?);
    }
    let grown = memory()? - before;
    pool.kill();
    drop((tasks, blocker));
    Ok(grown)
}

fn resident() -> Outcome<f64> {
    Ok(of_process(std::process::id(), "Rss")? * 1024.0)
}

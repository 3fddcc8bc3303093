//! What an idle worker keeps.

use parproc::parallel;

use super::child::{WAIT, finish, hear, start};
use super::measure::{Outcome, Scale, pool, take_turns};
use super::table::{Bar, Table, Unit};

#[parallel]
fn process_id() -> u32 {
    std::process::id()
}

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    // The first one divides pages that processes share by how many share them.
    for (field, what) in [
        ("Pss", "idle process, PSS"),
        ("Private_Dirty", "idle process, private memory written to"),
    ] {
        let [worker, bare] = &take_turns(
            scale.rounds(),
            [&mut || worker_memory(field), &mut || bare_memory(field)],
        )?;
        let worker = ("worker after its first task", worker);
        let bare = ("the same program, waiting in `main`", bare);
        table.add(what, Unit::Kib, worker, bare, Bar::None);
    }
    Ok(())
}

fn worker_memory(field: &str) -> Outcome<f64> {
    let pool = pool(1)?;
    let worker = pool.spawn(process_id, ())?.join()?;
    memory(worker, field)
}

fn bare_memory(field: &str) -> Outcome<f64> {
    let mut child = start(WAIT)?;
    hear(&mut child)?;
    let size = memory(child.id(), field)?;
    finish(child)?;
    Ok(size)
}

/// A figure of the process's memory, in KiB.
fn memory(process: u32, field: &str) -> Outcome<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(value.ok_or("the kernel tells no such figure")?.parse()?)
}

//! Accounts under locks, while processes that hold the locks are killed; the sum holds.
//!
//! `cargo run --release --example bank -- TRANSFERS`, by default 20000.
//!
//! Each branch of the bank is a `Mutex` in shared memory. A transfer notes in the branch what it is about to do,
//! does it, and strikes the note out. Some transfers kill their process somewhere in between. The next one that
//! takes the lock is told that its holder died, finds the note, and takes the half-done transfer back. It
//! prints what happened to the transfers, and the sum before and after.

use std::error::Error;
use std::sync::atomic::{Ordering, compiler_fence};

use parproc::bytemuck::{Pod, Zeroable};
use parproc::sync::{Mutex, MutexGuard};
use parproc::{Pool, parallel};
use rustix::process::{Signal, getpid, kill_process};

const BRANCHES: u64 = 4;
const ACCOUNTS: usize = 8;
const OPENING: i64 = 1_000;
/// One transfer in so many is killed.
const KILLED: u64 = 200;

/// Every bit pattern is a valid one, as memory that a dying process wrote has to be.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "parproc::bytemuck")]
#[repr(C)]
struct Branch {
    balances: [i64; ACCOUNTS],
    note: Note,
    /// Transfers that were taken back.
    undone: u64,
}

/// What a transfer is in the middle of, and what the two balances were before it.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "parproc::bytemuck")]
#[repr(C)]
struct Note {
    begun: u64,
    from: u64,
    to: u64,
    before: [i64; 2],
}

/// Takes the lock; if its last holder died, the branch is put in order first.
fn enter(branch: &Mutex<Branch>) -> Result<MutexGuard<'_, Branch>, String> {
    let poisoned = match branch.lock() {
        Ok(guard) => return Ok(guard),
        Err(poisoned) => poisoned,
    };
    let mut guard = poisoned.recover().map_err(|error| error.to_string())?;
    let note = guard.note;
    if note.begun == 1 {
        guard.balances[note.from as usize % ACCOUNTS] = note.before[0];
        guard.balances[note.to as usize % ACCOUNTS] = note.before[1];
        guard.note.begun = 0;
        guard.undone += 1;
    }
    branch.clear_poison();
    Ok(guard)
}

#[parallel]
fn transfer(branch: Mutex<Branch>, number: u64) -> Result<(), String> {
    // As good as random, and the same in every run.
    let draw = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let from = draw as usize % ACCOUNTS;
    let to = (from + 1 + draw as usize / ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS;
    let amount = (draw % 50) as i64;
    // The step that a doomed process dies in; the others have none.
    let doom = number.is_multiple_of(KILLED).then_some(number / KILLED % 5);
    let step = |step: u64| {
        // The compiler must not move what was written before this point behind it.
        compiler_fence(Ordering::SeqCst);
        if doom == Some(step) {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    };

    let mut guard = enter(&branch)?;
    step(0);
    guard.note = Note {
        from: from as u64,
        to: to as u64,
        before: [guard.balances[from], guard.balances[to]],
        begun: 0,
    };
    guard.note.begun = 1;
    step(1);
    guard.balances[from] -= amount;
    step(2);
    guard.balances[to] += amount;
    step(3);
    guard.note.begun = 0;
    step(4);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let transfers = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 20_000,
    };
    let opening = Branch {
        balances: [OPENING; ACCOUNTS],
        ..Branch::zeroed()
    };
    let branches: Vec<_> = (0..BRANCHES)
        .map(|_| Mutex::new(opening))
        .collect::<Result<_, _>>()?;
    let before = BRANCHES as i64 * ACCOUNTS as i64 * OPENING;

    let pool = Pool::builder().workers(2).build()?;
    let items = (0..transfers).map(|number: u64| {
        let branch = &branches[(number % BRANCHES) as usize];
        (branch.clone(), number)
    });
    let outcomes = pool.outcomes(transfer, items)?;
    let killed = outcomes.iter().filter(|outcome| outcome.is_err()).count();

    let (mut after, mut undone) = (0, 0);
    for branch in &branches {
        let guard = enter(branch)?;
        after += guard.balances.iter().sum::<i64>();
        undone += guard.undone;
    }
    println!("transfers made:         {:>6}", outcomes.len() - killed);
    println!("killed in the middle:   {killed:>6}");
    println!("of these, taken back:   {undone:>6}");
    println!("sum before and after:   {before:>6} {after:>6}");
    assert_eq!(before, after, "money was lost or made");
    Ok(())
}

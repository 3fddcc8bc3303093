//! From nothing to a result, and to the end.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::child::{EXIT, FIRST_RESULT, START, STEP_WORKER, finish, hear, start};
use super::contest::{Contest, Who};
use super::measure::{Outcome, Scale, check, median, pool, take_turns, threads, time};
use super::peers::work::{Request, step};
use super::peers::{farm::Farm, ipc, procspawn, python};
use super::row::{Limit, Row};
use super::table::{Bar, Table, Unit};

const MOST: f64 = 2.0;
const WORKERS: usize = 2;
const ITEMS: u64 = 10;

pub(crate) fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    whole_programs(scale, table)?;
    let repeat = |once: fn() -> Outcome<f64>| repeat(scale, &once);
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

/// Programs that start two workers, map ten numbers, and end.
fn whole_programs(scale: Scale, table: &mut Table) -> Outcome<()> {
    let mut contest = Contest::new(scale);
    for (who, key) in PROGRAMS {
        contest.enter(who, move || {
            repeat(scale, &|| {
                let mut program = Command::new("/proc/self/exe");
                whole_program(program.args([START, key]))
            })
        });
    }
    for (who, kind) in python::KINDS {
        match python::start_program(kind, WORKERS) {
            Ok(mut program) => contest.enter_slow(who, move || whole_program(&mut program)),
            Err(error) => contest.absent(who, error.to_string()),
        }
    }
    contest.enter(Who::Other("the same program, empty `main`"), || {
        repeat(scale, &bare_start)
    });
    table.contest(
        Row::of("start 2 workers, map 10, exit", Unit::Millis, contest)?
            .note("by hand: this program run again twice, over pipes")
            .bars(Limit::Times(1.15, Who::Hand), Limit::Times(1.0, Who::Hand)),
    );
    Ok(())
}

const PROGRAMS: [(Who, &str); 5] = [
    (Who::Ours, "ours"),
    (Who::Hand, "hand"),
    (Who::Rayon, "rayon"),
    (Who::IpcChannel, "ipc-channel"),
    (Who::Procspawn, "procspawn"),
];

fn whole_program(program: &mut Command) -> Outcome<f64> {
    let program = program.stdin(Stdio::null());
    let (status, nanos) = time(|| program.status());
    check(status?.success(), "of a program")?;
    Ok(nanos)
}

/// What one of these programs does.
pub(crate) fn play(key: &str) -> Outcome<()> {
    let results = match key {
        "ours" => pool(WORKERS)?.map(step, 0..ITEMS)?,
        "hand" => by_hand()?,
        "rayon" => threads(WORKERS)?.install(|| (0..ITEMS).into_par_iter().map(step).collect()),
        "ipc-channel" => by_farm(&mut ipc::farm(WORKERS)?)?,
        "procspawn" => {
            procspawn::init();
            by_farm(&mut procspawn::farm(WORKERS)?)?
        }
        _ => return Err("no such program".into()),
    };
    check(results.into_iter().eq((0..ITEMS).map(step)), "a map of ten")
}

fn by_farm(farm: &mut dyn Farm) -> Outcome<Vec<u64>> {
    let mut results = Vec::new();
    let mut requests = (0..ITEMS as usize).map(|x| Request::Step(x as u64));
    farm.deal(ITEMS as usize, &mut requests, &mut |reply| {
        results.push(reply.number()?);
        Ok(())
    })?;
    Ok(results)
}

fn by_hand() -> Outcome<Vec<u64>> {
    let mut workers: Vec<Child> = (0..WORKERS)
        .map(|_| start(STEP_WORKER))
        .collect::<Outcome<_>>()?;
    let shares = (0..ITEMS).collect::<Vec<_>>();
    let shares = shares.chunks(shares.len() / WORKERS);
    for (worker, share) in workers.iter_mut().zip(shares.clone()) {
        let input = worker.stdin.as_mut().ok_or("no input")?;
        input.write_all(bytemuck::cast_slice(share))?;
    }
    let mut results = Vec::new();
    for (worker, share) in workers.iter_mut().zip(shares) {
        let mut part = vec![0; share.len()];
        let output = worker.stdout.as_mut().ok_or("no output")?;
        output.read_exact(bytemuck::cast_slice_mut(&mut part))?;
        results.extend(part);
    }
    // All end before one is waited for.
    for worker in &mut workers {
        drop(worker.stdin.take());
    }
    workers.into_iter().try_for_each(finish)?;
    Ok(results)
}

/// A worker of the program by hand.
pub(crate) fn serve_steps() -> Outcome<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut bytes = [0; 8];
    while input.read_exact(&mut bytes).is_ok() {
        output.write_all(&step(u64::from_ne_bytes(bytes)).to_ne_bytes())?;
        output.flush()?;
    }
    Ok(())
}

/// The median of so many starts.
pub(crate) fn repeat(scale: Scale, once: &dyn Fn() -> Outcome<f64>) -> Outcome<f64> {
    let times: Outcome<Vec<f64>> = (0..scale.pick(20, 3)).map(|_| once()).collect();
    Ok(median(times?))
}

pub(crate) fn bare_start() -> Outcome<f64> {
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
        let result = pool.spawn(super::child::increment, 41)?.join()?;
        // The pool is dropped after the clock has stopped.
        Ok((pool, result))
    });
    let (_pool, result) = outcome?;
    check(result == 42, "a first result")?;
    Ok(nanos)
}

//! The same work by local workers, by ranks of an MPI launch, and by Python's mpi4py.futures.
//!
//! `cargo bench -p parproc --features mpi --bench cluster` prints a Markdown table. It starts itself: once as it is,
//! and once as three ranks by each `mpirun` that is there; and `mpi4py.futures` with three ranks. Everybody has two
//! workers. They stay, are measured in turns, and the medians are shown; in brackets, how many times that of local
//! workers it is, or for rates how many times as long it takes. With `-- --quick` there are fewer turns and
//! no transfers of 1 GB. Without Open MPI, MPICH or mpi4py its column is empty, and it is said why.

mod serve;
mod side;
mod work;

use std::time::Duration;

use side::{Side, all};

/// What is measured, and in what.
struct Measure {
    what: &'static str,
    command: String,
    unit: Unit,
    turns: usize,
}

#[derive(Clone, Copy)]
enum Unit {
    Micros,
    Nanos,
    /// From nanoseconds for so many bytes.
    Rate(f64),
    Share,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Micros => format!("{:.1} µs", value / 1e3),
            Unit::Nanos => format!("{value:.0} ns"),
            Unit::Rate(bytes) => format!("{:.0} MB/s", bytes / value * 1e3),
            Unit::Share => format!("{:.1} %", value * 100.0),
        }
    }
}

fn measures(quick: bool, tested: bool) -> Vec<Measure> {
    let turns = if tested {
        1
    } else if quick {
        3
    } else {
        7
    };
    let few = |full: usize| if tested { full / 100 } else { full };
    let measure = |what, command: String, unit| Measure {
        what,
        command,
        unit,
        turns,
    };
    let mut all = vec![
        measure(
            "one call and its result, in a loop",
            format!("round {}", few(1_000)),
            Unit::Micros,
        ),
        measure(
            "the same, each after a pause of 5 ms",
            format!("paused {}", few(200)),
            Unit::Micros,
        ),
        measure(
            "tasks submitted one by one, a task",
            format!("tasks {}", few(10_000)),
            Unit::Micros,
        ),
        measure(
            "a map of tiny calls, a call",
            format!("map {}", few(1_000_000)),
            Unit::Nanos,
        ),
    ];
    let megabyte = 1e6;
    let mut transfer = |there, back, size: usize, turns| {
        let unit = Unit::Rate(size as f64 * megabyte);
        all.push(Measure {
            what: there,
            command: format!("there {size}"),
            unit,
            turns,
        });
        all.push(Measure {
            what: back,
            command: format!("back {size}"),
            unit,
            turns,
        });
    };
    transfer(
        "100 MB as an argument",
        "100 MB as a result",
        few(100),
        turns,
    );
    if !quick && !tested {
        transfer("1 GB as an argument", "1 GB as a result", 1_000, 3);
    }
    let calls = if tested { "busy 4 1" } else { "busy 40 50" };
    all.push(measure(
        "calls of 50 ms that compute: workers' time in use",
        calls.into(),
        Unit::Share,
    ));
    all
}

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    if has(serve::FLAG) {
        return serve::serve();
    }
    // Cargo passes `--bench` when it measures, and not when it only tests that benches run.
    let (quick, tested) = (has("--quick"), !has("--bench"));
    let mut sides = all();
    for side in &sides {
        if let Err(reason) = &side.state {
            println!("no {}: {reason}\n", side.name);
        }
    }
    let names: Vec<&str> = sides.iter().map(|side| side.name).collect();
    println!("| what | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(names.len()));
    for measure in measures(quick, tested) {
        let values = take_turns(&mut sides, measure.turns, |side| side.ask(&measure.command));
        row(measure.what, &values, measure.unit);
    }
    let span = if tested {
        Duration::from_millis(10)
    } else {
        Duration::from_secs(3)
    };
    let idle = take_turns(&mut sides, 1, |side| side.idle(span));
    row(
        "processor time of an idle rank, the busier of two",
        &idle,
        Unit::Share,
    );
}

/// Asks all sides in turn, again and again; gives the median of each.
fn take_turns(
    sides: &mut [Side],
    turns: usize,
    mut ask: impl FnMut(&mut Side) -> Option<f64>,
) -> Vec<Option<f64>> {
    let mut values = vec![Vec::new(); sides.len()];
    // The first turn is to get warm, and does not count.
    for turn in 0..turns + usize::from(turns > 1) {
        for (side, values) in sides.iter_mut().zip(&mut values) {
            let value = ask(side);
            if turn > 0 || turns == 1 {
                values.extend(value);
            }
        }
    }
    values.into_iter().map(median).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Prints a line of the table: each value, and how many times that of the first column it is.
fn row(what: &str, values: &[Option<f64>], unit: Unit) {
    let first = values.first().copied().flatten();
    let cell = |value: &Option<f64>| match (value, first) {
        (None, _) => "–".to_owned(),
        (Some(value), Some(first)) if *value != first && first > 0.0 => {
            format!("{} ({:.2})", unit.show(*value), value / first)
        }
        (Some(value), _) => unit.show(*value),
    };
    let cells: Vec<String> = values.iter().map(cell).collect();
    println!("| {what} | {} |", cells.join(" | "));
}

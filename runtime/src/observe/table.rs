//! Statistics as a table.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use super::node::NodeStats;
use super::stats::{Stats, WorkerStats};
use super::timing::Timing;
use crate::error::Bytes;
use crate::event::FailureKind;

const COLUMNS: [&str; 14] = [
    "worker", "node", "starts", "items", "failed", "start-up", "init", "waiting", "working",
    "exit", "busy", "in", "out", "memory",
];

type Row = [String; COLUMNS.len()];

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "in {}: {} items done, {} failed{}, {} retries, {} not run; {} restarts of workers",
            Time(self.elapsed()),
            self.done(),
            self.failed(),
            Kinds(self),
            self.retried(),
            self.dropped(),
            self.restarts(),
        )?;
        self.write_workers(f)?;
        self.write_items(f)
    }
}

impl Stats {
    fn write_workers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![COLUMNS.map(str::to_owned)];
        rows.extend(self.workers().iter().map(row));
        let phases = [
            self.start_up(),
            self.init(),
            self.waiting(),
            self.working(),
            self.exit(),
        ];
        let all = self.life().total();
        // Of a single worker there is nothing to sum up.
        let summed = |node: &&NodeStats| node.workers() > 1 || node.is_lost();
        rows.extend(self.nodes().iter().filter(summed).map(node_row));
        rows.push(self.sums(&phases));
        rows.push(phase_row("mean", &phases, |phase| {
            Time(phase.mean()).to_string()
        }));
        let deviation = |phase: &Timing| format!("±{}", Time(phase.deviation()));
        rows.push(phase_row("deviation", &phases, deviation));
        rows.push(phase_row("share", &phases, |phase| {
            percent(phase.total().as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE))
        }));
        // Most pools have none of these.
        let shown = |column: &usize| match COLUMNS[*column] {
            "node" => !self.nodes().is_empty(),
            "init" => self.init().count() > 0,
            "exit" => self.exit().count() > 0,
            _ => true,
        };
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let columns = (0..COLUMNS.len()).filter(shown);
        let widths: Vec<_> = columns.filter_map(|one| Some((one, width(one)?))).collect();
        for row in &rows {
            let mut line = String::new();
            for (column, width) in &widths {
                write!(line, "{:>width$}  ", row[*column])?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn sums(&self, phases: &[Timing; 5]) -> Row {
        let sum = |number: fn(&WorkerStats) -> u64| {
            self.workers().iter().map(number).sum::<u64>().to_string()
        };
        let mut row = phase_row("all", phases, |phase| Time(phase.total()).to_string());
        row[2] = sum(WorkerStats::processes);
        row[3] = sum(WorkerStats::items);
        row[4] = sum(WorkerStats::failed);
        row[10] = percent(self.utilization());
        row[11] = Bytes(self.argument_bytes()).to_string();
        row[12] = Bytes(self.result_bytes()).to_string();
        row[13] = memory(self.peak_memory());
        row
    }

    fn write_items(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(mean) = self.mean_item() else {
            return Ok(());
        };
        if !self.has_insights() {
            return write!(
                f,
                "an item took {}; with .insights(true): how that divides, its deviation, and the longest items",
                Time(mean)
            );
        }
        let both =
            |timing: Timing| format!("{} ±{}", Time(timing.mean()), Time(timing.deviation()));
        write!(
            f,
            "an item took {}: decoding {}, running {}, encoding {}",
            both(self.items()),
            both(self.decoding()),
            both(self.running()),
            both(self.encoding()),
        )?;
        for item in self.longest() {
            write!(
                f,
                "\n{:>9}  item {} of {}",
                Time(item.took).to_string(),
                item.index,
                item.function
            )?;
            if item.attempt > 1 {
                write!(f, ", attempt {}", item.attempt)?;
            }
            if let Some(worker) = item.worker {
                write!(f, ", worker {worker}")?;
            }
            if let Some(failure) = item.failure {
                write!(f, ": {}", failure.name())?;
            }
        }
        Ok(())
    }
}

fn row(worker: &WorkerStats) -> Row {
    let time = |time: Duration| Time(time).to_string();
    [
        worker.number().to_string(),
        format!("{}:{}", worker.host(), worker.rank()),
        worker.processes().to_string(),
        worker.items().to_string(),
        worker.failed().to_string(),
        time(worker.start_up().total()),
        time(worker.init().total()),
        time(worker.waiting()),
        time(worker.working()),
        time(worker.exit().total()),
        percent(worker.utilization()),
        Bytes(worker.argument_bytes()).to_string(),
        Bytes(worker.result_bytes()).to_string(),
        memory(worker.peak_memory()),
    ]
}

/// The sums of one rank.
fn node_row(node: &NodeStats) -> Row {
    let mut row = Row::default();
    "all".clone_into(&mut row[0]);
    row[1] = node.name();
    row[2] = node.processes().to_string();
    row[3] = node.items().to_string();
    row[4] = node.failed().to_string();
    row[8] = Time(node.working()).to_string();
    row[10] = percent(node.utilization());
    row[11] = Bytes(node.argument_bytes()).to_string();
    row[12] = Bytes(node.result_bytes()).to_string();
    row[13] = memory(node.peak_memory());
    row
}

/// A row that says something about the phases of workers' lives only.
fn phase_row(name: &str, phases: &[Timing; 5], cell: impl Fn(&Timing) -> String) -> Row {
    let mut row = Row::default();
    name.clone_into(&mut row[0]);
    for (place, phase) in row[5..].iter_mut().zip(phases) {
        *place = cell(phase);
    }
    row
}

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

fn memory(bytes: u64) -> String {
    if bytes == 0 {
        return "?".to_owned();
    }
    Bytes(bytes).to_string()
}

/// In what ways items failed, if some did.
struct Kinds<'a>(&'a Stats);

impl Display for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = " (";
        for kind in FailureKind::ALL {
            let count = self.0.failed_by(kind);
            if count > 0 {
                write!(f, "{before}{count} {}", kind.name())?;
                before = ", ";
            }
        }
        if self.0.failed() > 0 {
            f.write_char(')')?;
        }
        Ok(())
    }
}

/// A duration in three digits or so.
struct Time(Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_char('0');
        }
        write!(f, "{:.1?}", self.0)
    }
}

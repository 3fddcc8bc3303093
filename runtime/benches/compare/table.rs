//! The table that is printed.

use std::fmt::Write as _;

use super::measure::{Ratio, Scale, Series, cpus};

/// How a cost is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Micros,
    Millis,
    /// The cost is of this many items.
    NanosAnItem(usize),
    /// The cost is of this many bytes.
    Throughput(usize),
    Kib,
}

impl Unit {
    fn show(self, cost: f64) -> String {
        match self {
            Unit::Micros => format!("{:.2} µs", cost / 1e3),
            Unit::Millis => format!("{:.2} ms", cost / 1e6),
            Unit::NanosAnItem(items) => format!("{:.1} ns an item", cost / items as f64),
            Unit::Throughput(bytes) => format!("{:.2} GB/s", bytes as f64 / cost),
            Unit::Kib => format!("{cost:.0} KiB"),
        }
    }
}

/// What is asked of us.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    None,
    /// At most so many times the other's cost.
    Ratio(f64),
    /// At most so many nanoseconds.
    Nanos(f64),
    /// At most so many nanoseconds an item.
    NanosAnItem(f64),
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 7]>,
}

/// One contestant's name and figures.
pub(crate) type Entry<'a> = (&'a str, &'a Series);

impl Table {
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        unit: Unit,
        (our_name, ours): Entry<'_>,
        (their_name, theirs): Entry<'_>,
        bar: Bar,
    ) {
        let ratio = ours.ratio_to(theirs);
        let bar = bar_met(bar, unit, ours.median(), &ratio);
        self.rows.push([
            what.into(),
            our_name.to_owned(),
            unit.show(ours.median()),
            their_name.to_owned(),
            unit.show(theirs.median()),
            format!(
                "{:.2} ({:.2} to {:.2})",
                ratio.median, ratio.lowest, ratio.highest
            ),
            bar,
        ]);
    }

    pub(crate) fn markdown(&self, scale: Scale) -> String {
        const HEAD: [&str; 7] = [
            "what",
            "ours",
            "median",
            "against",
            "median",
            "ratio (rounds)",
            "bar",
        ];
        let head = HEAD.map(str::to_owned);
        let all = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| {
            all()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: [usize; 7] = std::array::from_fn(width);
        let mut text = String::new();
        for (index, row) in all().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if index == 0 {
                for width in widths {
                    let _ = write!(text, "| {:-<width$} ", "");
                }
                text.push_str("|\n");
            }
        }
        let _ = write!(
            text,
            "\nMedians of {} rounds, in which the contestants took turns, on {} CPUs (load {}). \
             The ratio says\nhow many times the other's time or memory ours is: less is better, also \
             where throughput is shown. It is the\nmedian of the ratios of the single rounds, whose \
             lowest and highest are in brackets.\n",
            scale.rounds(),
            cpus(),
            load(),
        );
        if scale.quick {
            text.push_str("This was a quick run: the figures mean little.\n");
        }
        text
    }
}

fn bar_met(bar: Bar, unit: Unit, cost: f64, ratio: &Ratio) -> String {
    let (wanted, met) = match (bar, unit) {
        (Bar::Ratio(most), _) => (format!("ratio {most}"), ratio.median <= most),
        (Bar::Nanos(most), _) => (format!("{} ms", most / 1e6), cost <= most),
        (Bar::NanosAnItem(most), Unit::NanosAnItem(items)) => {
            (format!("{most} ns"), cost / items as f64 <= most)
        }
        _ => return String::new(),
    };
    format!("{wanted}: {}", if met { "met" } else { "missed" })
}

/// The machine's load over the last minute: what else it had to do.
fn load() -> String {
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split(' ').next().unwrap_or("unknown").to_owned()
}

//! The table that is printed.

use std::fmt::Write as _;

use super::measure::{Ratio, Series};
use super::row::Row;

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
    Bytes,
    /// How many times something else it is.
    Times,
    Count,
}

impl Unit {
    pub(crate) fn show(self, cost: f64) -> String {
        match self {
            Unit::Micros => format!("{:.2} µs", cost / 1e3),
            Unit::Millis => format!("{:.2} ms", cost / 1e6),
            Unit::NanosAnItem(items) => format!("{:.1} ns an item", cost / items as f64),
            Unit::Throughput(bytes) => format!("{:.2} GB/s", bytes as f64 / cost),
            Unit::Kib => format!("{cost:.0} KiB"),
            Unit::Bytes => format!("{cost:.0} bytes"),
            Unit::Times => format!("{cost:.3} ×"),
            Unit::Count => format!("{cost:.0}"),
        }
    }
}

/// A number as one reads it: `1,000,000`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
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
    contests: Vec<Row>,
    /// The word that chooses the section which adds rows at present.
    pub(crate) section: &'static str,
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

    /// Adds a row in which all peers have their place.
    pub(crate) fn contest(&mut self, mut row: Row) {
        row.section = self.section;
        self.contests.push(row);
    }

    pub(crate) fn contests(&self) -> &[Row] {
        &self.contests
    }

    /// The rows in which ours stands against one other.
    pub(crate) fn pairs(&self) -> String {
        const HEAD: [&str; 7] = [
            "what",
            "ours",
            "median",
            "against",
            "median",
            "ratio (rounds)",
            "bar",
        ];
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.to_vec()).collect();
        markdown(&HEAD, &rows)
    }
}

/// A table in Markdown, whose columns are as wide as their cells.
pub(crate) fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let head = head.iter().map(|&cell| cell.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let widths: Vec<usize> = (0..Vec::len(&head))
        .map(|column| all().map(|row| row[column].chars().count()).max())
        .map(|width| width.unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in all().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                let _ = write!(text, "| {:-<width$} ", "");
            }
            text.push_str("|\n");
        }
    }
    text
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

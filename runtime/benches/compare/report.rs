//! The two tables over all work: what is asked and what is reached, and all peers side by side.

use std::fmt::Write as _;

use super::contest::Who;
use super::measure::{Scale, cpus};
use super::row::{Limit, Row};
use super::table::{Table, markdown};

const COMMAND: &str = "cargo bench -p parproc --bench compare";

pub(crate) fn report(table: &Table, scale: Scale) -> String {
    let mut text = String::new();
    let rows = table.contests();
    if !rows.is_empty() {
        let _ = write!(
            text,
            "## What is asked, and what is reached\n\n{}\n## All side by side\n\n{}{}",
            bars(rows),
            peers(rows),
            notes(rows)
        );
    }
    let pairs = table.pairs();
    if pairs.lines().count() > 2 {
        let _ = write!(text, "\n## In pairs\n\n{pairs}");
    }
    let _ = write!(
        text,
        "\n`{COMMAND}` measures all, and `{COMMAND} -- map` one section. Medians of {} rounds, in which the \
         contestants took turns (of 3 for Python and others that take long), on {} CPUs (load {}). A ratio \
         says how many times the other's time or memory ours is: less is better, also where throughput is \
         shown. It is the median of the ratios of the single rounds, whose lowest and highest are in \
         brackets.\n",
        scale.rounds(),
        cpus(),
        load(),
    );
    if scale.quick {
        text.push_str("This was a quick run: the figures mean little.\n");
    }
    text
}

/// Ours against the bars.
fn bars(rows: &[Row]) -> String {
    const HEAD: [&str; 8] = [
        "work",
        "parproc",
        "bar",
        "ratio (rounds)",
        "",
        "moonshot",
        "",
        "section",
    ];
    let verdict = |judged: Option<(String, bool)>, met: &str| match judged {
        Some((wanted, true)) => (wanted, met.to_owned()),
        Some((wanted, false)) => (wanted, "missed".to_owned()),
        None => Default::default(),
    };
    let cells = |row: &Row| {
        let ours = row.series(Who::Ours)?;
        let (bar, met) = verdict(row.judge(row.bar), "**met**");
        let (moonshot, reached) = verdict(row.judge(row.moonshot), "**reached**");
        Some(vec![
            row.what.clone(),
            row.unit.show(ours.median()),
            bar,
            ratio(row),
            met,
            moonshot,
            reached,
            format!("`{}`", row.section),
        ])
    };
    let rows: Vec<_> = rows.iter().filter_map(cells).collect();
    markdown(&HEAD, &rows)
}

/// To the one that the bar names, else to the work by hand.
fn ratio(row: &Row) -> String {
    let against = match (row.bar, row.moonshot) {
        (Limit::Times(_, who), _) | (Limit::None, Limit::Times(_, who)) => who,
        _ => Who::Hand,
    };
    match row.ratio_to(against) {
        Some(ratio) if ratio.median.is_finite() => format!(
            "{:.2} ({:.2} to {:.2})",
            ratio.median, ratio.lowest, ratio.highest
        ),
        _ => String::new(),
    }
}

/// The medians of all.
fn peers(rows: &[Row]) -> String {
    let mut head = vec!["work"];
    head.extend(Who::COLUMNS.map(Who::name));
    head.push("beside");
    let cells = |row: &Row| {
        let mut cells = vec![row.what.clone()];
        cells.extend(Who::COLUMNS.map(|who| match row.series(who) {
            Some(series) => row.unit.show(series.median()),
            None => "–".to_owned(),
        }));
        let others = row.figures.iter().filter_map(|(who, figure)| {
            let (Who::Other(name), Ok(series)) = (who, figure) else {
                return None;
            };
            Some(format!("{name}: {}", row.unit.show(series.median())))
        });
        cells.push(others.collect::<Vec<_>>().join("; "));
        cells
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    markdown(&head, &rows)
}

/// What is to be known of sections, and why some took no part.
fn notes(rows: &[Row]) -> String {
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        if !row.note.is_empty() {
            notes.push(format!("- `{}`: {}.\n", row.section, row.note));
        }
        for (who, figure) in &row.figures {
            if let Err(why) = figure {
                notes.push(format!(
                    "- `{}` without {}: {why}.\n",
                    row.section,
                    who.name()
                ));
            }
        }
    }
    let mut text = String::from("\n");
    for (index, note) in notes.iter().enumerate() {
        if !notes[..index].contains(note) {
            text.push_str(note);
        }
    }
    text
}

/// The machine's load over the last minute: what else it had to do.
fn load() -> String {
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split(' ').next().unwrap_or("unknown").to_owned()
}

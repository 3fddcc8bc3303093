//! The picture: for each row, how many times the work by hand everybody takes.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::contest::Who;
use super::measure::Outcome;
use super::row::{Limit, Row};

const WIDTH: u32 = 1000;
const ROW: u32 = 26;
const TOP: u32 = 92;
const BOTTOM: u32 = 44;
/// What stands left of the plot.
const LABELS: u32 = 420;
const RIGHT: u32 = 24;

/// Readable on white and on black.
const TEXT: RGBColor = RGBColor(125, 133, 144);
const GRID: RGBAColor = RGBAColor(125, 133, 144, 0.35);
/// Who is drawn, in what, ours on top. The colours are told apart by those who see no red or no green.
const MARKS: [(Who, RGBColor); 6] = [
    (Who::Socket, RGBColor(153, 153, 153)),
    (Who::PythonPool, RGBColor(204, 121, 167)),
    (Who::Procspawn, RGBColor(86, 180, 233)),
    (Who::IpcChannel, RGBColor(0, 158, 115)),
    (Who::Rayon, RGBColor(230, 159, 0)),
    (Who::Ours, RGBColor(213, 94, 0)),
];

/// The chart as SVG; none if there is no row to draw.
pub(crate) fn chart(rows: &[Row]) -> Outcome<Option<String>> {
    let rows: Vec<(&Row, Who)> = rows
        .iter()
        .filter_map(|row| Some((row, base(row)?)))
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let height = TOP + ROW * rows.len() as u32 + BOTTOM;
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    // Its errors borrow the string.
    draw(&area, &rows).map_err(|error| error.to_string())?;
    area.present().map_err(|error| error.to_string())?;
    drop(area);
    Ok(Some(text))
}

/// Whom all are compared with: the work by hand, or what the bar names.
fn base(row: &Row) -> Option<Who> {
    row.series(Who::Ours)?;
    match row.bar {
        _ if row.series(Who::Hand).is_some() => Some(Who::Hand),
        Limit::Times(_, who) if row.series(who).is_some() => Some(who),
        _ => None,
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw<'a>(area: &Area<'a>, rows: &[(&Row, Who)]) -> Result<(), Box<dyn Error + 'a>> {
    let style = |size: u32, horizontal| {
        ("sans-serif", size)
            .into_font()
            .color(&TEXT)
            .pos(Pos::new(horizontal, VPos::Center))
    };
    let (left, middle, right) = (HPos::Left, HPos::Center, HPos::Right);
    let text = |words: &str, x: u32, y: u32, style: &TextStyle<'_>| {
        area.draw_text(words, style, (x as i32, y as i32))
    };

    // Ratios become places on a scale of powers of ten.
    let ratios = rows.iter().flat_map(|(row, base)| {
        let marks = MARKS.iter().filter_map(|(who, _)| ratio(row, *who, *base));
        marks.collect::<Vec<_>>()
    });
    let (lowest, highest) = ratios.fold((0.5_f64, 2.0_f64), |(low, high), ratio| {
        (low.min(ratio), high.max(ratio))
    });
    let (from, to) = (lowest.log10() - 0.1, highest.log10() + 0.1);
    let place = |ratio: f64| {
        let share = (ratio.log10() - from) / (to - from);
        (LABELS as f64 + share * f64::from(WIDTH - LABELS - RIGHT)) as u32
    };
    let end = TOP + ROW * rows.len() as u32;

    text(
        "Time or memory, as many times that of the work by hand (log scale; less is better)",
        16,
        20,
        &style(17, left),
    )?;
    let mut x = 16;
    for (who, color) in MARKS.iter().rev() {
        mark(area, *who, *color, x + 6, 50)?;
        let name = who.name().replace('`', "");
        text(&name, x + 18, 50, &style(14, left))?;
        x += 48 + 8 * name.chars().count() as u32;
    }
    for power in from.ceil() as i32..=to.floor() as i32 {
        let x = place(10_f64.powi(power));
        line(area, (x, TOP), (x, end), GRID.stroke_width(1))?;
        let label = if power < 0 {
            format!("1/{}", 10_u64.pow(power.unsigned_abs()))
        } else {
            10_u64.pow(power.unsigned_abs()).to_string()
        };
        text(&format!("{label} ×"), x, end + 18, &style(13, middle))?;
    }
    let one = place(1.0);
    line(area, (one, TOP), (one, end), TEXT.stroke_width(2))?;
    text("1 ×: by hand", one, TOP - 14, &style(13, middle))?;

    for (index, (row, base)) in rows.iter().enumerate() {
        let y = TOP + ROW * index as u32 + ROW / 2;
        let mut label = row.what.replace('`', "");
        if *base != Who::Hand {
            label = format!("{label} (1 ×: {})", base.name());
        }
        text(&label, LABELS - 16, y, &style(13, right))?;
        line(area, (LABELS, y), (WIDTH - RIGHT, y), GRID.stroke_width(1))?;
        for (who, color) in MARKS {
            if let Some(ratio) = ratio(row, who, *base) {
                mark(area, who, color, place(ratio), y)?;
            }
        }
    }
    Ok(())
}

fn ratio(row: &Row, who: Who, base: Who) -> Option<f64> {
    let ratio = row.series(who)?.ratio_to(row.series(base)?).median;
    Some(ratio).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
}

fn line<'a>(
    area: &Area<'a>,
    from: (u32, u32),
    to: (u32, u32),
    style: ShapeStyle,
) -> Result<(), Box<dyn Error + 'a>> {
    let [from, to] = [from, to].map(|(x, y)| (x as i32, y as i32));
    Ok(area.draw(&PathElement::new([from, to], style))?)
}

/// Ours is larger, and a diamond.
fn mark<'a>(
    area: &Area<'a>,
    who: Who,
    color: RGBColor,
    x: u32,
    y: u32,
) -> Result<(), Box<dyn Error + 'a>> {
    let (x, y) = (x as i32, y as i32);
    if who == Who::Ours {
        let corners = [(x - 9, y), (x, y - 9), (x + 9, y), (x, y + 9)];
        area.draw(&Polygon::new(corners, color.filled()))?;
    } else {
        area.draw(&Circle::new((x, y), 6, color.mix(0.85).filled()))?;
    }
    Ok(())
}

//! Draws the model ten times a second, on a screen of its own.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use parproc::CancelToken;
use parproc::observe::{Event, Observer};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Gauge, Paragraph, Row, Sparkline, Table, Wrap};
use rustix::time::{ClockId, clock_gettime};

use crate::model::{Life, Model, Worker};

const TICK: Duration = Duration::from_millis(100);

/// An observer with a screen.
pub(crate) struct Top {
    model: Arc<Mutex<Model>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Top {
    /// Takes over the terminal. When `q` is pressed, or Ctrl-C, the token is cancelled.
    pub(crate) fn start(cancel: &CancelToken) -> io::Result<Self> {
        let model = Arc::<Mutex<Model>>::default();
        let over = Arc::<AtomicBool>::default();
        let (seen, ends, cancel) = (Arc::clone(&model), Arc::clone(&over), cancel.clone());
        let thread = std::thread::spawn(move || {
            let drawn = draw(&seen, &ends, &cancel);
            ratatui::restore();
            drawn
        });
        Ok(Self {
            model,
            over,
            thread: Some(thread),
        })
    }
}

impl Observer for Top {
    fn observe(&mut self, events: &[Event]) {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().for_each(|event| model.take(event));
    }

    fn finish(&mut self) {
        self.over.store(true, Ordering::Release);
        // The terminal is as it was when the pool is gone.
        if let Some(Err(error)) = self.thread.take().and_then(|thread| thread.join().ok()) {
            eprintln!("the view: {error}");
        }
    }
}

fn draw(model: &Mutex<Model>, over: &AtomicBool, cancel: &CancelToken) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut busy = VecDeque::new();
    while !over.load(Ordering::Acquire) {
        terminal.draw(|frame| {
            let model = model.lock().unwrap_or_else(PoisonError::into_inner);
            let living = || model.workers.values().filter(|one| one.life != Life::Gone);
            let working = living().filter(|worker| !worker.chunks.is_empty());
            let share = 100 * working.count() / living().count().max(1);
            busy.push_front(share as u64);
            busy.truncate(frame.area().width.into());
            show(frame, &model, now(), &busy);
        })?;
        if event::poll(TICK)?
            && let Input::Key(key) = event::read()?
            && (key.code == KeyCode::Char('q')
                || key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
        {
            cancel.cancel();
        }
    }
    Ok(())
}

fn show(frame: &mut Frame<'_>, model: &Model, now: u64, busy: &VecDeque<u64>) {
    let rows = model.workers.len() as u16;
    let [head, gauge, table, line, failures] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(rows + 3),
        Constraint::Length(4),
        Constraint::Min(3),
    ])
    .areas(frame.area());

    let elapsed = model.began.map_or(0, |began| now.saturating_sub(began));
    let title = format!(
        "{} of {} items, {} failed, {} tried again, {}",
        model.done,
        model.items,
        model.failed,
        model.retried,
        seconds(elapsed),
    );
    frame.render_widget(Line::from(title).bold(), head);
    let ratio = (model.done + model.failed) as f64 / model.items.max(1) as f64;
    let bar = Gauge::default()
        .ratio(ratio.min(1.0))
        .gauge_style(Color::Cyan);
    frame.render_widget(bar, gauge);

    let names = [
        "worker", "pid", "state", "function", "item", "for", "done", "failed", "restarts", "memory",
    ];
    let widths = [6, 8, 9, 24, 8, 8, 8, 7, 8, 9].map(Constraint::Length);
    let workers = model
        .workers
        .iter()
        .map(|(number, worker)| row(*number, worker, now));
    let workers = Table::new(workers, widths)
        .header(Row::new(names).style(Style::new().bold()))
        .block(Block::bordered().title("workers"));
    frame.render_widget(workers, table);

    let share = busy.front().copied().unwrap_or(0);
    let sparks = Sparkline::default()
        .data(busy.iter().copied())
        .max(100)
        .direction(ratatui::widgets::RenderDirection::RightToLeft)
        .style(Color::Green)
        .block(Block::bordered().title(format!("workers that work: {share} %")));
    frame.render_widget(sparks, line);

    let began = model.began.unwrap_or(0);
    let texts = model.failures.iter().map(|(at, report)| {
        Line::from(vec![
            format!("{:>7}  ", seconds(at.saturating_sub(began))).dim(),
            report.replace('\n', " ").red(),
        ])
    });
    let texts = Paragraph::new(texts.collect::<Vec<_>>())
        .wrap(Wrap { trim: false })
        .block(Block::bordered().title("failures, the last first; q ends"));
    frame.render_widget(texts, failures);
}

fn row(number: usize, worker: &Worker, now: u64) -> Row<'static> {
    let chunk = worker.chunks.front();
    let (state, color) = match (worker.life, chunk) {
        (Life::Starting, _) => ("starting", Color::Yellow),
        (Life::Gone, _) => ("gone", Color::DarkGray),
        (Life::Ready, None) => ("waiting", Color::DarkGray),
        (Life::Ready, Some(_)) => ("working", Color::Green),
    };
    let function = chunk.map(|chunk| chunk.function.rsplit("::").next().unwrap_or(""));
    let items = chunk.map(|chunk| match chunk.count {
        0 | 1 => chunk.first.to_string(),
        count => format!("{}–{}", chunk.first, chunk.first + count - 1),
    });
    let time = chunk.map(|_| seconds(now.saturating_sub(worker.since)));
    let memory = memory(worker.pid).map(|bytes| format!("{:.1} MiB", bytes as f64 / 1048576.0));
    Row::new([
        Cell::from(number.to_string()),
        Cell::from(worker.pid.to_string()),
        Cell::from(state).style(color),
        Cell::from(function.unwrap_or("").to_owned()),
        Cell::from(items.unwrap_or_default()),
        Cell::from(time.unwrap_or_default()),
        Cell::from(worker.done.to_string()),
        Cell::from(worker.failed.to_string()),
        Cell::from(worker.restarts.to_string()),
        Cell::from(memory.unwrap_or_default()),
    ])
}

/// Nanoseconds of the clock that events have.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn seconds(nanos: u64) -> String {
    format!("{:.1} s", nanos as f64 / 1e9)
}

/// Bytes that a process has in memory.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(1024 * kibibytes)
}

//! Contestants of one row: they take turns, and some may be absent or take part in fewer rounds.

use super::measure::{Outcome, Scale, Series};

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    /// The fastest mechanism of the operating system, written by hand for this very work.
    Hand,
    /// The same over a pair of sockets.
    Socket,
    Rayon,
    IpcChannel,
    Procspawn,
    PythonPool,
    PythonExecutor,
    /// Not a peer: a variant of ours or a lower bound.
    Other(&'static str),
}

impl Who {
    /// Those that have a column in the table of peers.
    pub(crate) const COLUMNS: [Self; 8] = [
        Who::Ours,
        Who::Hand,
        Who::Socket,
        Who::Rayon,
        Who::IpcChannel,
        Who::Procspawn,
        Who::PythonPool,
        Who::PythonExecutor,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Ours => "parproc",
            Who::Hand => "by hand",
            Who::Socket => "by hand, sockets",
            Who::Rayon => "rayon (threads)",
            Who::IpcChannel => "ipc-channel",
            Who::Procspawn => "procspawn",
            Who::PythonPool => "Python's `Pool`",
            Who::PythonExecutor => "Python's `ProcessPoolExecutor`",
            Who::Other(name) => name,
        }
    }
}

/// What came of a contestant: the costs of its rounds, or why it took no part.
pub(crate) type Figure = Result<Series, String>;

type Run<'a> = Box<dyn FnMut() -> Outcome<f64> + 'a>;

/// Rounds of contestants that take a second each.
const SLOW_ROUNDS: usize = 3;

pub(crate) struct Contest<'a> {
    rounds: usize,
    entries: Vec<(Who, usize, Result<Run<'a>, String>)>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(scale: Scale) -> Self {
        Self {
            rounds: scale.rounds(),
            entries: Vec::new(),
        }
    }

    pub(crate) fn enter(&mut self, who: Who, run: impl FnMut() -> Outcome<f64> + 'a) {
        self.entries.push((who, self.rounds, Ok(Box::new(run))));
    }

    /// Takes part in the first rounds only.
    pub(crate) fn enter_slow(&mut self, who: Who, run: impl FnMut() -> Outcome<f64> + 'a) {
        let rounds = self.rounds.min(SLOW_ROUNDS);
        self.entries.push((who, rounds, Ok(Box::new(run))));
    }

    pub(crate) fn absent(&mut self, who: Who, why: impl Into<String>) {
        self.entries.push((who, 0, Err(why.into())));
    }

    /// Lets every contestant run once a round. A first round, in which caches and pools get warm, does
    /// not count.
    pub(crate) fn run(self) -> Outcome<Vec<(Who, Figure)>> {
        let (rounds, mut entries) = (self.rounds, self.entries);
        let mut costs: Vec<Vec<f64>> = vec![Vec::new(); entries.len()];
        for round in 0..=rounds {
            for ((who, rounds, run), costs) in entries.iter_mut().zip(&mut costs) {
                let Ok(run) = run else { continue };
                if round > *rounds {
                    continue;
                }
                let cost = run().map_err(|error| format!("{}: {error}", who.name()))?;
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        let figures = entries.into_iter().zip(costs);
        Ok(figures
            .map(|((who, _, run), costs)| (who, run.map(|_| Series::from(costs))))
            .collect())
    }
}

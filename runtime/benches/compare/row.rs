//! One kind of work, what it cost every contestant, and what is asked of us.

use super::contest::{Contest, Figure, Who};
use super::measure::{Outcome, Ratio, Series};
use super::table::Unit;

/// What our cost must not pass.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    None,
    /// So many times what another one has.
    Times(f64, Who),
    /// So much, in what the contestants return.
    Cost(f64),
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) section: &'static str,
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// What the work by hand is, and other things to know.
    pub(crate) note: &'static str,
    pub(crate) figures: Vec<(Who, Figure)>,
    pub(crate) bar: Limit,
    pub(crate) moonshot: Limit,
}

impl Row {
    /// Runs the contest.
    pub(crate) fn of(what: impl Into<String>, unit: Unit, contest: Contest<'_>) -> Outcome<Self> {
        Ok(Self {
            section: "",
            what: what.into(),
            unit,
            note: "",
            figures: contest.run()?,
            bar: Limit::None,
            moonshot: Limit::None,
        })
    }

    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    pub(crate) fn bars(mut self, bar: Limit, moonshot: Limit) -> Self {
        self.bar = bar;
        self.moonshot = moonshot;
        self
    }

    pub(crate) fn figure(&self, who: Who) -> Option<&Figure> {
        let mut figures = self.figures.iter();
        figures
            .find(|(other, _)| *other == who)
            .map(|(_, figure)| figure)
    }

    pub(crate) fn series(&self, who: Who) -> Option<&Series> {
        self.figure(who)?.as_ref().ok()
    }

    /// How many times the cost of another one ours is.
    pub(crate) fn ratio_to(&self, who: Who) -> Option<Ratio> {
        Some(self.series(Who::Ours)?.ratio_to(self.series(who)?))
    }

    /// In words, and whether it is met; nothing without a limit, or without the one to compare with.
    pub(crate) fn judge(&self, limit: Limit) -> Option<(String, bool)> {
        match limit {
            Limit::None => None,
            Limit::Times(most, who) => {
                let ratio = self.ratio_to(who)?;
                Some((format!("{most} × {}", who.name()), ratio.median <= most))
            }
            Limit::Cost(most) => {
                let ours = self.series(Who::Ours)?.median();
                Some((self.unit.show(most), ours <= most))
            }
        }
    }
}

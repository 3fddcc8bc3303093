//! What a worker ran when: items, and neighbours of them that were merged.

/// An item, or several that ran one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// In nanoseconds since the origin, as `end`.
    pub(super) begin: u64,
    pub(super) end: u64,
    /// For how long items ran in it.
    pub(super) busy: u64,
    /// The longest of the items; 0 if only their sum is known.
    pub(super) longest: u64,
    /// The index of the first item.
    pub(super) first: usize,
    /// How many items.
    pub(super) count: u64,
    /// How many of them failed.
    pub(super) failed: u64,
    /// The function of the first item.
    pub(super) function: usize,
}

impl Span {
    /// One item.
    pub(super) fn item(function: usize, index: usize, begin: u64, length: u64) -> Self {
        Self {
            begin,
            end: begin.saturating_add(length),
            busy: length,
            longest: length,
            first: index,
            count: 1,
            failed: 0,
            function,
        }
    }

    fn length(&self) -> u64 {
        self.end - self.begin
    }

    /// True for an item by itself that went well: most of what there is, and written in fewer characters.
    pub(super) fn is_plain(&self) -> bool {
        self.count == 1
            && self.failed == 0
            && self.busy == self.length()
            && self.longest == self.busy
    }

    /// True if both are short and lie in the same cell of time.
    fn joins(&self, next: &Self, cell: u64) -> bool {
        cell > 0
            && self.begin / cell == next.begin / cell
            && self.length() <= cell
            && next.length() < cell
    }

    fn join(&mut self, next: &Self) {
        self.end = self.end.max(next.end);
        self.busy = self.busy.saturating_add(next.busy);
        self.longest = self.longest.max(next.longest);
        self.count += next.count;
        self.failed += next.failed;
    }
}

/// The spans of one worker, in their order, none above another.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Span> {
        self.0.iter()
    }

    /// Adds a span, mostly behind all others.
    ///
    /// What runs in one worker runs one after the other; yet threads share an inline pool, and a chunk's beginning
    /// is reckoned from its end. A span that would lie on another one is cut.
    pub(super) fn add(&mut self, mut span: Span, cell: u64) {
        let place = match self.0.last() {
            Some(last) if last.begin > span.begin => {
                self.0.partition_point(|one| one.begin <= span.begin)
            }
            _ => self.0.len(),
        };
        if let Some(before) = place.checked_sub(1) {
            let before = &mut self.0[before];
            span.begin = span.begin.max(before.end);
            span.end = span.end.max(span.begin);
            if before.joins(&span, cell) {
                let end = self.0.get(place).map_or(u64::MAX, |behind| behind.begin);
                let before = &mut self.0[place - 1];
                before.join(&span);
                before.end = before.end.min(end);
                return;
            }
        }
        if let Some(behind) = self.0.get(place) {
            span.end = span.end.min(behind.begin);
            span.begin = span.begin.min(span.end);
        }
        self.0.insert(place, span);
    }

    /// Merges neighbours that are short and lie in the same cell of time.
    pub(super) fn merge(&mut self, cell: u64) {
        self.0.dedup_by(|next, span| {
            let joined = span.joins(next, cell);
            if joined {
                span.join(next);
            }
            joined
        });
    }
}

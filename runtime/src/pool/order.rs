//! Results that came out of order, until it is their turn.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Order<T> {
    /// The index that it is the turn of.
    next: usize,
    /// Runs of results, by the index of their first.
    runs: BTreeMap<usize, Vec<T>>,
    /// The run that is being made.
    open: Option<(usize, Vec<T>)>,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self {
            next: 0,
            runs: BTreeMap::new(),
            open: None,
        }
    }
}

impl<T> Order<T> {
    /// The index that it is the turn of.
    pub(super) fn turn(&self) -> usize {
        self.next
    }

    /// True when it is the turn of this index, which then is over.
    #[inline]
    pub(super) fn is_next(&mut self, index: usize) -> bool {
        let is_next = index == self.next;
        self.next += usize::from(is_next);
        is_next
    }

    /// Keeps a result whose turn has not come.
    pub(super) fn keep(&mut self, index: usize, result: T) {
        match &mut self.open {
            Some((first, run)) if *first + run.len() == index => run.push(result),
            _ => {
                self.close();
                self.open = Some((index, vec![result]));
            }
        }
    }

    /// The run whose turn has come, if it is there, and the index of its first result; its turn is
    /// over then.
    pub(super) fn take(&mut self) -> Option<(usize, Vec<T>)> {
        self.close();
        let run = self.runs.remove(&self.next)?;
        let first = self.next;
        self.next += run.len();
        Some((first, run))
    }

    fn close(&mut self) {
        self.runs.extend(self.open.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_wait_for_their_turn() {
        let mut order = Order::default();
        for index in [4, 5, 2, 7, 1] {
            assert!(!order.is_next(index));
            order.keep(index, index);
        }
        assert_eq!(order.take(), None);
        assert!(order.is_next(0));
        assert_eq!(order.take(), Some((1, vec![1])));
        assert_eq!(order.take(), Some((2, vec![2])));
        assert_eq!(order.take(), None);
        assert!(order.is_next(3));
        assert_eq!(order.take(), Some((4, vec![4, 5])));
        assert_eq!(order.take(), None);
    }
}
